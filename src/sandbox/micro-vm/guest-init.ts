/**
 * Process 1 of the guest, a script for busybox, and the script that starts hands. With network access the machine has second hands, over
 * the same workspace, in separate namespaces, with the port to the proxy. Hands start before the machine is frozen into a snapshot, without
 * any user data, workspace or request: an emulated Node needs two seconds to start, a frozen one none. Everything that must differ between
 * two machines of one snapshot follows in one command on the control port, before the first request can reach hands:
 *
 *     go SECONDS ENTROPY time and randomness; then the workspace is mounted, and the guest replies `going`
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
/** Sent on the control port: the machine waits for its command; the workspace is mounted. */
export const readyWord = 'ready'
export const goingWord = 'going'

/** Path of hands in the root of the guest. */
export const insideHands = '/opt/oxbow/hands.cjs'

/** What is fixed when hands start, and so part of a snapshot. Passed on the kernel's command line: not secret. */
export interface GuestSettings {
  readonly profile: Extract<Profile, 'work' | 'vault-read'>
  /** Whether there are also hands with network access. */
  readonly online: boolean
  readonly uid: number
  readonly processes: number
  readonly maxFileMb: number
}

/** For the end of the kernel's command line: what the kernel does not know itself becomes the environment of init. */
export function guestArguments({ profile, online, uid, processes, maxFileMb }: GuestSettings): string {
  // The shell of busybox counts files in blocks of 512 bytes.
  return `PROFILE=${profile} ONLINE=${online ? 1 : 0} ID=${uid} PROCESSES=${processes} BLOCKS=${maxFileMb * 2048}`
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
# The host plugs them in in this order.
[ $ONLINE = 1 ] && LAST=${egressPort} || LAST=${controlPort}
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
export PROFILE ID PROCESSES BLOCKS
# Only root may open these, and hands do so before they switch users.
hands() {
  $B cp -a $(port $1) /root/dev/$1
  [ $1 = ${onlinePort} ] && $B cp -a $(port ${egressPort}) /root/dev/${egressPort}
  (PORT=$1 $B unshare --mount --propagation slave --pid --net --ipc --fork /bin/busybox sh /start; $B reboot -f) &
}
hands ${handsPort}
[ $ONLINE = 1 ] && hands ${onlinePort}
exec 3<>$CONTROL
echo ${readyWord} >&3
read -r GO SECONDS ENTROPY <&3
[ "$GO" = go ] || $B reboot -f
$B date -s @$SECONDS >/dev/null
echo $ENTROPY > /dev/urandom
/bin/reseed || $B reboot -f
$B rm -f /root/dev/${handsPort} /root/dev/${onlinePort} /root/dev/${egressPort}
if [ $PROFILE = vault-read ]; then
  $B mount -t ext4 -o ro,nosuid,nodev /dev/vdb /work && $B mount -o bind,ro /work/vault /root/vault || $B reboot -f
else
  $B mount -t ext4 -o nosuid,nodev /dev/vdb /work || $B reboot -f
  $B mkdir -p /work/tmp && $B chown $ID:$ID /work/tmp /work/shared || $B reboot -f
  $B mount -o bind /work/shared /root/shared && $B mount -o bind /work/tmp /root/tmp || $B reboot -f
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
[ $PORT = ${onlinePort} ] && MODE="--relay-device /dev/${egressPort}"
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
