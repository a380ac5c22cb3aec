# What the images for building have, as SAM's do; an image's own script follows.
mkdir -p /var/task /var/runtime /opt /var/lang/bin

cat >/lambda-entrypoint.sh <<'END'
#!/bin/sh
echo "lambda-entrypoint.sh: this stand-in image runs no functions; bypass the entry point" >&2
exit 1
END
chmod 755 /lambda-entrypoint.sh
