# usage: python.sh VERSION
# A virtual environment is a whole Python of its own at Lambda's place, with
# pip and without Debian's ban on installing.
python$1 -m venv /var/lang
ln -sf python$1 /var/lang/bin/python
