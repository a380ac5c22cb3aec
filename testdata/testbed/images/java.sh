# usage: java.sh VERSION
# Lambda's place is the home of the whole runtime.
rmdir /var/lang/bin /var/lang
ln -s /usr/lib/jvm/java-$1-openjdk-* /var/lang
