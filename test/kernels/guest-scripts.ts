/** What runs inside the machine before any test: process 1 as a script of busybox, and the script that goes through the situations. */
import { insideCache, insideNode, repository } from './machine-tree.ts'
import { plainUid } from './situations.ts'
import type { Situation } from './situations.ts'

/** Lines in which the machine describes itself, among the test runner's lines. */
export const beginMark = '@situation'
export const endMark = '@ended'
export const downMark = '@down'

export interface InitOptions {
  readonly isWritable?: boolean
  /** Further options of the root's mount, after a comma. */
  readonly mount?: string
  /** What becomes process 1 in the root. */
  readonly next?: string
}

/** Loads the modules, mounts the root, and goes on there. Unless the root is writable, everything that is written is in memory. */
export function initScript(modules: readonly string[], { isWritable = false, mount = '', next = '/opt/start' }: InitOptions = {}): string {
  return `#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
${modules.map((name) => `$B insmod /modules/${name}.ko`).join('\n')}
n=0
while [ ! -b /dev/vda ] || [ -z "$($B ls /sys/class/virtio-ports)" ]; do
  n=$((n+1)); [ $n -gt 400 ] && $B reboot -f; $B usleep 25000
done
$B mount -t ext4 -o ${isWritable ? 'rw' : 'ro'}${mount} /dev/vda /root
for m in dev proc sys; do $B mount --move /$m /root/$m; done
exec $B switch_root /root ${next}
`
}

/** Gives each user Node's cache. It is named by what this processor can: without another name Node would not find it. */
export function cacheScript(uids: readonly number[]): string {
  return `if [ -d ${insideCache} ]; then
  tag=$(node -p 'v8.cachedDataVersionTag().toString(16).padStart(8, "0")')
  for uid in ${uids.join(' ')}; do
    for each in ${insideCache}/*; do mkdir -p /run/cache-$uid; cp -r $each /run/cache-$uid/$(basename $each | cut -d- -f1,2)-$tag-$uid; done
    chown -R $uid:$uid /run/cache-$uid
  done
fi`
}

/** What a machine without udev lacks in /dev. */
export const deviceScript = `mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=0666,mode=0620 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
ln -s /proc/self/fd /dev/fd; for n in "0 stdin" "1 stdout" "2 stderr"; do set -- $n; ln -s fd/$1 /dev/$2; done`

export function startScript(situations: readonly Situation[]): string {
  return `#!/bin/bash
exec >/dev/$(ls /sys/class/virtio-ports) 2>&1 </dev/null
export PATH=/usr/local/bin:/usr/bin:/usr/sbin HOME=/root CI=true
${deviceScript}
# Not over /tmp: the repository may be below it.
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 1777 /run/tmp
export TMPDIR=/run/tmp
${cacheScript([0, plainUid])}
mount -t cgroup2 cgroup2 /sys/fs/cgroup
busybox ip link set lo up
G=/sys/fs/cgroup
down() { for each in $2; do echo "+$each" >> "$G$1/cgroup.subtree_control"; done; }
group() { mkdir -p "$G$1"; }
give() { chown $U:$U "$G$1" "$G$1/cgroup.procs" "$G$1/cgroup.subtree_control" "$G$1/cgroup.threads"; }
enter() { echo $BASHPID > "$G$1/cgroup.procs"; }
as() { local uid=$1; shift; NODE_COMPILE_CACHE=/run/cache-$uid HOME=/run/tmp exec setpriv --reuid=$uid --regid=$uid --clear-groups --no-new-privs "$@"; }
asroot() { NODE_COMPILE_CACHE=/run/cache-0 exec "$@"; }
cd ${repository}
${situations.map(situationScript).join('\n')}
echo "${downMark} $(cut -d' ' -f1 /proc/uptime)"
busybox reboot -f
`
}

function situationScript({ name, arrange, run, expects, suites }: Situation): string {
  const files = ['test/kernels/inside-situation.ts', ...suites].join(' ')
  return `echo '${beginMark} ${name}'
(
${arrange}
export OXBOW_EXPECTS='${JSON.stringify(expects)}'
${run} ${insideNode} --test --test-isolation=none --test-reporter=tap ${files}
)
echo "${endMark} $? $(cut -d' ' -f1 /proc/uptime)"`
}
