# Where packages are not configured, nobody has chosen the compilers.
for names in cc=gcc c++=g++; do
	if [ -e "/usr/bin/${names#*=}" ] && [ ! -e "/usr/bin/${names%%=*}" ]; then
		ln -s "${names#*=}" "/usr/bin/${names%%=*}"
	fi
done
