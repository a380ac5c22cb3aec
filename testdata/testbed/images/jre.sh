# usage: jre.sh VERSION
# The image for building, less what is for building.
dpkg --purge openjdk-$1-jdk-headless
rm -r /usr/local/maven
