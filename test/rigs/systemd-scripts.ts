/** What a systemd machine is given in addition to Debian: two people, and a service that goes through the situations. */
import { beginMark, cacheScript, downMark, endMark } from '../kernels/guest-scripts.ts'
import { insideNode, repository } from '../kernels/machine-tree.ts'
import { people, type SystemdSituation } from './systemd-situations.ts'

/** Files by their path, without the slash before it; those below `opt` are programs. */
export function systemdFiles(situations: readonly SystemdSituation[]): Readonly<Record<string, string>> {
  return {
    'etc/systemd/system/rig.service': rigService,
    [`etc/systemd/system/user@${people.bob}.service.d/few.conf`]: '[Service]\nDelegate=\nDelegate=pids memory\n',
    'opt/rig': rigScript(situations),
    'opt/with-settings': settingsScript,
  }
}

const rigService = `[Unit]
After=systemd-logind.service dbus.service multi-user.target
[Service]
Type=simple
ExecStart=/opt/rig
TimeoutStopSec=5
[Install]
WantedBy=multi-user.target
`

/** Run as whoever it may be: \`with-settings PROGRAM …\`. */
const settingsScript = `#!/bin/bash
. /run/rig/settings
export PATH=/usr/local/bin:/usr/bin:/usr/sbin CI=true TMPDIR=/run/tmp OXBOW_EXPECTS NODE_COMPILE_CACHE=/run/cache-$UID
cd ${repository}
exec "$@"
`

/**
 * \`login\` has a terminal of its own, and the shell of the person as PAM starts it, in a session; it reads what it is to run
 * from that terminal. What is said goes through a pipe, for only one may have the port open.
 */
const functions = `
service() { systemd-run --quiet --collect --wait --pipe --unit=rig-own "$@"; }
typed() { echo "$1"; cat /run/rig/over; }
login() {
  local who=$1; shift
  rm -f /run/rig/code; echo "$* > /run/rig/said 2>&1 < /dev/null" > /run/rig/line
  cat /run/rig/said &
  typed '. /run/rig/line; echo $? > /run/rig/code; echo over > /run/rig/over; exit' | script -qec "login -f $who" /dev/null > /run/rig/terminal
  wait
  return $(cat /run/rig/code)
}
# As a program for terminals on a desktop is, in which somebody says sudo.
terminal() {
  local who=$1; shift
  typed 'systemd-run --user --scope --quiet --unit=vte sleep 6000; exit' | script -qec "login -f $who" /dev/null > /run/rig/terminal &
  local at=/sys/fs/cgroup/user.slice/user-${people.ada}.slice/user@${people.ada}.service/app.slice/vte.scope
  until [ -s $at/cgroup.procs ]; do sleep 0.1; done
  (echo $BASHPID > $at/cgroup.procs; exec "$@"); local code=$?
  pkill -x sleep; echo over > /run/rig/over; wait
  return $code
}
`

function rigScript(situations: readonly SystemdSituation[]): string {
  return `#!/bin/bash
exec >/dev/$(ls /sys/class/virtio-ports) 2>&1 </dev/null
export PATH=/usr/local/bin:/usr/bin:/usr/sbin HOME=/root
mkdir -m 1777 /run/tmp /run/rig
mkfifo -m 666 /run/rig/over /run/rig/said
${cacheScript([0, ...Object.values(people)])}
${functions}
cd /
echo "@systemd $(systemctl --version | head -1), $(uname -r), $(systemctl is-system-running)"
${situations.map(situationScript).join('\n')}
echo "${downMark} $(cut -d' ' -f1 /proc/uptime)"
busybox reboot -f
`
}

function situationScript({ name, run, expects, suites }: SystemdSituation): string {
  const files = ['test/kernels/inside-situation.ts', 'test/rigs/inside-systemd.ts', ...suites].join(' ')
  return `echo '${beginMark} ${name}'
cat > /run/rig/settings <<'END'
OXBOW_EXPECTS='${JSON.stringify(expects)}'
END
${run} /opt/with-settings ${insideNode} --test --test-isolation=none --test-reporter=tap ${files}
echo "${endMark} $? $(cut -d' ' -f1 /proc/uptime)"`
}
