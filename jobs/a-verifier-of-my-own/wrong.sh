# The comma of a thousand ends the number, and a minus sign is lost.
. "$(dirname "$0")/reference.sh"
sed -i 's/-?\\d+/\\d+/; s/\.replace(",", "")//' resources_servers/estimate/app.py
