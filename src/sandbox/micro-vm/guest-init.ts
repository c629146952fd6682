/**
 * Process 1 of the guest, a script for busybox, and the script that starts hands. With network access the machine has second hands, over
 * the same workspace, in separate namespaces, with the port to the proxy. Hands start before the machine is frozen into a snapshot, without
 * any user data, workspace or request: an emulated Node needs two seconds to start, a frozen one none. Everything that must differ between
 * two machines of one snapshot follows in one command on the control port, before the first request can reach hands:
 *
 *     go SECONDS ENTROPY time and randomness; then the workspace is mounted, and the guest replies `going`
 *
 * A machine for one program of others (a server, a plugin, a script of a skill) has hands that carry its streams over a port. The disk has a
 * folder for each that the program sees, numbered, and `mounts` says which stands where. Hands keep the copies in step at `/run/oxbow/N`; the
 * program sees those that it may not change read-only.
 *
 * Processes that hands start later (every command) get a reseeded random generator. Hands themselves keep the seeds of their hash tables,
 * which need not be secret: no two machines share a workspace.
 */
import type { Profile } from '../../protocol/index.ts'
import { nodeFlags } from '../tier-plan.ts'

export const controlPort = 'oxbow.control'
export const handsPort = 'oxbow.hands'
/** Of the hands with network access, and their connections to the egress proxy (base/stream-carrier.ts). */
export const onlinePort = 'oxbow.online'
export const egressPort = 'oxbow.egress'
/** Of the streams of the program that a machine is for (hands/commands/carried-streams.ts). */
export const streamsPort = 'oxbow.streams'
/** Where hands of such a machine find what the program sees, by number. */
export const insideCopies = '/run/oxbow'
/** A folder of its disk, and the file in it: `NUMBER ro|rw PATH`, one a line. */
export const mountsFolder = 'mounts'
export const mountsFile = 'list'
/** Sent on the control port: the machine waits for its command; the workspace is mounted. */
export const readyWord = 'ready'
export const goingWord = 'going'

/** Path of hands in the root of the guest. */
export const insideHands = '/opt/oxbow/hands.cjs'

/** What is fixed when hands start, and so part of a snapshot. Passed on the kernel's command line: not secret. */
export interface GuestSettings {
  readonly profile: Extract<Profile, 'work' | 'vault-read'> | 'program'
  /** Whether there are also hands with network access; of a machine for a program, whether it can have access. */
  readonly online: boolean
  readonly uid: number
  readonly processes: number
  readonly maxFileMb: number
}

/** @returns the ports of a machine besides its hands' one, in the order in which they are plugged in */
export function portsOf({ profile, online }: GuestSettings): readonly string[] {
  if (profile === 'program') return [controlPort, ...(online ? [egressPort] : []), streamsPort]
  return [controlPort, ...(online ? [onlinePort, egressPort] : [])]
}

/** For the end of the kernel's command line: what the kernel does not know itself becomes the environment of init. */
export function guestArguments(settings: GuestSettings): string {
  const { profile, online, uid, processes, maxFileMb } = settings
  // The shell of busybox counts files in blocks of 512 bytes.
  const last = portsOf(settings).at(-1)!
  return `PROFILE=${profile} ONLINE=${online ? 1 : 0} LAST=${last} ID=${uid} PROCESSES=${processes} BLOCKS=${maxFileMb * 2048}`
}

export function goWord(seconds: number, entropy: Buffer): string {
  return `go ${seconds} ${entropy.toString('hex')}\n`
}

/**
 * Process 1: loads modules, mounts the root read-only, starts hands in separate namespaces, and mounts the workspace on the host's command.
 * Mounts propagate from here into those namespaces, not back.
 */
export function initScript(modules: readonly string[]): string {
  return `#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
${modules.map((name) => `$B insmod /modules/${name}.ko`).join('\n')}
port() { for d in /sys/class/virtio-ports/*; do [ "$($B cat $d/name 2>/dev/null)" = "$1" ] && echo /dev/\${d##*/}; done; }
n=0
while [ ! -b /dev/vdb ] || [ -z "$(port $LAST)" ]; do
  n=$((n+1)); [ $n -gt 400 ] && $B reboot -f; $B usleep 25000
done
CONTROL=$(port ${controlPort})
$B mount -t ext4 -o ro,nosuid,nodev /dev/vda /root
# A few devices of its own, so that nothing inside sees disks and ports.
$B mount -t tmpfs -o mode=755,size=64k,nosuid tmpfs /root/dev
for d in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
  set -- $d; $B mknod -m 666 /root/dev/$1 c $2 $3
done
$B mkdir /root/dev/pts /root/dev/shm
for l in "ptmx pts/ptmx" "fd /proc/self/fd" "stdin fd/0" "stdout fd/1" "stderr fd/2"; do set -- $l; $B ln -s $2 /root/dev/$1; done
$B mount -t tmpfs -o mode=755,size=1m,nosuid,nodev tmpfs /root/run
[ $PROFILE = vault-read ] && $B mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev tmpfs /root/tmp
$B hostname oxbow
$B mount --make-rshared / || $B reboot -f
export PROFILE ONLINE ID PROCESSES BLOCKS
# Only root may open these, and hands do so before they switch users.
hands() {
  for p in "$@"; do $B cp -a $(port $p) /root/dev/$p; done
  (PORT=$1 $B unshare --mount --propagation slave --pid --net --ipc --fork /bin/busybox sh /start; $B reboot -f) &
}
case $PROFILE$ONLINE in
  program*) $B mkdir /root${insideCopies}; hands ${handsPort} ${streamsPort} $([ $ONLINE = 1 ] && echo ${egressPort}) ;;
  *1) hands ${handsPort}; hands ${onlinePort} ${egressPort} ;;
  *) hands ${handsPort} ;;
esac
exec 3<>$CONTROL
echo ${readyWord} >&3
read -r GO SECONDS ENTROPY <&3
[ "$GO" = go ] || $B reboot -f
$B date -s @$SECONDS >/dev/null
echo $ENTROPY > /dev/urandom
/bin/reseed || $B reboot -f
$B rm -f /root/dev/oxbow.*
if [ $PROFILE = vault-read ]; then
  $B mount -t ext4 -o ro,nosuid,nodev /dev/vdb /work && $B mount -o bind,ro /work/vault /root/vault || $B reboot -f
else
  $B mount -t ext4 -o nosuid,nodev /dev/vdb /work && $B mkdir -p /work/tmp && $B chown $ID:$ID /work/tmp || $B reboot -f
  $B mount -o bind /work/tmp /root/tmp || $B reboot -f
fi
if [ $PROFILE = work ]; then
  $B chown $ID:$ID /work/shared && $B mount -o bind /work/shared /root/shared || $B reboot -f
  [ -d /work/skills ] && $B chown -R $ID:$ID /work/skills && $B mount -o bind /work/skills /root/skills
elif [ $PROFILE = program ]; then # Empty folders to mount on: the root cannot be changed.
  for d in shared skills; do $B mount -t tmpfs -o mode=755,size=1m,nosuid,nodev tmpfs /root/$d || $B reboot -f; done
  while read -r N MODE INSIDE; do
    $B mkdir -p /root${insideCopies}/$N "/root$INSIDE" && $B mount -o bind /work/$N /root${insideCopies}/$N || $B reboot -f
    # Namespaces get a mount as it is made, not what becomes of it: one that is read-only is made elsewhere first.
    if [ $MODE = ro ]; then
      $B mkdir -p /readonly/$N && $B mount -o bind /work/$N /readonly/$N && $B mount -o remount,bind,ro /readonly/$N || $B reboot -f
      $B mount -o bind /readonly/$N "/root$INSIDE" || $B reboot -f
    else $B mount -o bind /work/$N "/root$INSIDE" || $B reboot -f
    fi
  done </work/${mountsFolder}/${mountsFile} || $B reboot -f
fi
echo ${goingWord} >&3
exec 3>&-
while :; do wait; done
`
}

/**
 * Process 1 of the namespaces of hands, which see only their own processes, and have their own loopback, terminals and shared memory, and
 * no other network. The whole machine ends with it.
 */
export const startScript: string = `B=/bin/busybox
$B mount -t proc -o nosuid,nodev,noexec proc /root/proc
$B mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,nosuid,noexec devpts /root/dev/pts
$B mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev tmpfs /root/dev/shm
$B ip link set lo up
ulimit -c 0
ulimit -n 1024
ulimit -f $BLOCKS
ulimit -u $PROCESSES
cd /
MODE=
[ $PROFILE = vault-read ] && MODE=--vault
[ $PORT = ${onlinePort} ] || [ $PROFILE$ONLINE = program1 ] && MODE="--relay-device /dev/${egressPort}"
[ $PROFILE = program ] && MODE="$MODE --streams-device /dev/${streamsPort}"
$B env -i $B chroot /root $B setpriv --nnp /opt/oxbow/node ${nodeFlags.join(' ')} \\
  ${insideHands} --device /dev/$PORT --alone --user $ID $MODE </dev/null >/dev/null 2>&1 &
wait $!
`

/**
 * A program that reseeds the kernel's random generator from its pool: writing to /dev/urandom adds to the pool, yet two machines of one
 * snapshot would give the same numbers until the next regular reseeding, up to a minute later. Busybox has no such call, so these are 130
 * bytes of machine code: open("/dev/urandom"), ioctl(RNDRESEEDCRNG), exit.
 */
export function reseedProgram(): Buffer {
  const code = [
    [0xb8, 2, 0, 0, 0], // mov eax, open
    [0x48, 0x8d, 0x3d, 32, 0, 0, 0], // lea rdi, [rip + 32]: the path, right after the code
    [0x31, 0xf6], // xor esi, esi: O_RDONLY
    [0x0f, 0x05], // syscall
    [0x89, 0xc7], // mov edi, eax
    [0xb8, 16, 0, 0, 0], // mov eax, ioctl
    [0xbe, 0x07, 0x52, 0, 0], // mov esi, RNDRESEEDCRNG (0x5207)
    [0x31, 0xd2], // xor edx, edx
    [0x0f, 0x05], // syscall
    [0x89, 0xc7], // mov edi, eax: 0, or an error that is not 0
    [0x83, 0xe7, 0x7f], // and edi, 127
    [0xb8, 60, 0, 0, 0], // mov eax, exit
    [0x0f, 0x05], // syscall
  ].flat()
  const text = Buffer.concat([Buffer.from(code), Buffer.from('/dev/urandom\0')])
  // elf(5): one header, one segment that is loaded whole and starts right behind both.
  const [base, headBytes] = [0x40_0000n, 64 + 56]
  const elf = Buffer.alloc(headBytes)
  elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  elf.writeUInt16LE(2, 16)
  elf.writeUInt16LE(62, 18)
  elf.writeUInt32LE(1, 20)
  elf.writeBigUInt64LE(base + BigInt(headBytes), 24)
  elf.writeBigUInt64LE(64n, 32)
  elf.writeUInt16LE(64, 52)
  elf.writeUInt16LE(56, 54)
  elf.writeUInt16LE(1, 56)
  elf.writeUInt32LE(1, 64)
  elf.writeUInt32LE(5, 68)
  elf.writeBigUInt64LE(base, 80)
  elf.writeBigUInt64LE(base, 88)
  elf.writeBigUInt64LE(BigInt(headBytes + text.length), 96)
  elf.writeBigUInt64LE(BigInt(headBytes + text.length), 104)
  elf.writeBigUInt64LE(0x1000n, 112)
  return Buffer.concat([elf, text])
}
