# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # what the sourcing script has
#
# Sourced: packages of any Debian suite and architecture, downloaded (verified
# by apt) and unpacked, without installing them and without touching the
# host's apt configuration. The mirror is the one that the host's apt uses.

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# debian_mirror [-security]: the address that the host's apt has for Debian
debian_mirror()
{
	local codename
	codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' |
		awk -v release="$codename${1:-}" '
			$1 == "Debian" && $2 == release && $3 == "main" {
				print $4; exit
			}'
}

debian_sources()
{
	local suite=$1 arch=$2 mirror security options

	mirror=${PAGEHINT_DEBIAN_MIRROR:-$(debian_mirror)}
	if [ -z "$mirror" ]; then
		# Lists that were never downloaded do not tell their origin.
		quiet apt-update.log apt-get -q update
		mirror=$(debian_mirror)
	fi
	[ -n "$mirror" ] ||
		die "apt knows no Debian mirror: set PAGEHINT_DEBIAN_MIRROR to one's address"
	options="[arch=$arch signed-by=$debian_keyring]"
	printf 'deb %s %s %s main\n' "$options" "$mirror" "$suite"
	case $suite in
	*-backports | sid) return ;;
	esac
	printf 'deb %s %s %s-updates main\n' "$options" "$mirror" "$suite"
	security=$(debian_mirror -security)
	[ -z "$security" ] ||
		printf 'deb %s %s %s-security main\n' "$options" "$security" "$suite"
}

# debian_open SUITE ARCH: use this suite from here on; downloads its lists. Until the process
# ends, another one that wants packages for the same cache waits.
debian_open()
{
	local state=$cache/apt/$1-$2

	mkdir -p "$cache/apt"
	if [ -z "${debian_lock:-}" ]; then
		exec {debian_lock}>"$cache/apt/lock"
		flock -n "$debian_lock" || { step "waiting for another download"; flock "$debian_lock"; }
	fi
	mkdir -p "$state"/{lists/partial,archives/partial,parts}
	: >"$state/status"
	debian_sources "$1" "$2" >"$state/sources.list"
	# Dir::Etc::Parts stays the host's: a proxy is configured there.
	cat >"$state/apt.conf" <<CONF
APT::Architecture "$2";
APT::Architectures { "$2"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$state";
Dir::State::Lists "$state/lists";
Dir::State::Status "$state/status";
Dir::Cache "$state";
Dir::Etc::SourceList "$state/sources.list";
Dir::Etc::SourceParts "$state/parts";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "$state/parts";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Pre-Invoke;
CONF
	export APT_CONFIG=$state/apt.conf
	step "package lists of $1 $2"
	quiet "apt-$1-$2.log" apt-get -q update
}

# debian_depends PACKAGE: its direct dependencies, first alternatives only
debian_depends()
{
	apt-cache show --no-all-versions "$1" |
		sed -n 's/^\(Pre-\)\?Depends: //p' | tr ',' '\n' |
		sed 's/|.*//; s/(.*//; s/:any//; s/[[:space:]]//g; /^$/d'
}

# debian_unpack DIRECTORY PACKAGE...: download and unpack there
debian_unpack()
{
	local target=$1 package debs
	shift
	debs=$(mktemp -d -p "$cache" debs.XXXXXX)
	step "download $*"
	if ! (cd "$debs" && quiet apt-download.log apt-get -q download "$@"); then
		rm -rf "$debs"
		return 1
	fi
	mkdir -p "$target"
	for package in "$debs"/*.deb; do
		dpkg-deb -x "$package" "$target"
	done
	rm -rf "$debs"
}

# debian_source DIRECTORY PACKAGE: download the parts of a source package there
debian_source()
{
	local directory=$1 package=$2 state=${APT_CONFIG%/apt.conf} sources

	sources=$state/parts/source.list
	# Not what a run that was interrupted left
	sed 's/^deb /deb-src /; q' "$state/sources.list" >"$sources"
	step "download the source of $package"
	quiet apt-source-update.log apt-get -q update
	mkdir -p "$directory"
	(cd "$directory" && quiet apt-source.log apt-get -q source --download-only "$package")
	rm "$sources"
}
