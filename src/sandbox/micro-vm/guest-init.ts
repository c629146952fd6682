/**
 * Process 1 of the guest, a script for busybox. It waits twice: for its devices, and then for the host's word on the control
 * port. Between the two, with nothing of a user in it, the machine is frozen into a snapshot; so all that must differ between
 * two machines of one snapshot (time, randomness, the workspace) comes with that word.
 *
 * The word is one line:  go SECONDS ENTROPY PROFILE UID PROCESSES FILE_BLOCKS
 */

export const controlPort = 'oxbow.control'
export const handsPort = 'oxbow.hands'
/** Said on the control port: the machine waits for its word; hands may be spoken to. */
export const readyWord = 'ready'
export const goneOnWord = 'going'

/** Where hands stand in the root of the guest. */
export const insideHands = '/opt/oxbow/hands.mjs'

export interface GuestWord {
  readonly seconds: number
  readonly entropy: Buffer
  readonly profile: 'work' | 'vault-read'
  readonly uid: number
  readonly processes: number
  readonly maxFileMb: number
}

export function guestWord(word: GuestWord): string {
  const fileBlocks = word.maxFileMb * 2048
  return `go ${word.seconds} ${word.entropy.toString('hex')} ${word.profile} ${word.uid} ${word.processes} ${fileBlocks}\n`
}

/** Loads modules, mounts the root read-only, gets the time and randomness from the host, and leaves hands to `startScript`. */
export function initScript(modules: readonly string[]): string {
  return `#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
${modules.map((name) => `$B insmod /modules/${name}.ko`).join('\n')}
port() { for d in /sys/class/virtio-ports/*; do [ "$($B cat $d/name 2>/dev/null)" = "$1" ] && echo /dev/\${d##*/}; done; }
n=0
while [ ! -b /dev/vdb ] || [ -z "$(port ${controlPort})" ] || [ -z "$(port ${handsPort})" ]; do
  n=$((n+1)); [ $n -gt 400 ] && $B reboot -f; $B usleep 25000
done
HANDS=$(port ${handsPort})
$B mount -t ext4 -o ro,nosuid,nodev /dev/vda /root
# Its own few devices, so that nothing inside sees disks and ports.
$B mount -t tmpfs -o mode=755,size=64k,nosuid tmpfs /root/dev
for d in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
  set -- $d; $B mknod -m 666 /root/dev/$1 c $2 $3
done
$B mkdir /root/dev/pts /root/dev/shm
$B mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,nosuid,noexec devpts /root/dev/pts
$B ln -s pts/ptmx /root/dev/ptmx
for l in "fd /proc/self/fd" "stdin fd/0" "stdout fd/1" "stderr fd/2"; do set -- $l; $B ln -s $2 /root/dev/$1; done
$B mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev tmpfs /root/dev/shm
$B mount -t tmpfs -o mode=755,size=1m,nosuid,nodev tmpfs /root/run
$B hostname oxbow
exec 3<>$(port ${controlPort})
echo ${readyWord} >&3
read -r GO SECONDS ENTROPY PROFILE ID PROCESSES BLOCKS <&3
[ "$GO" = go ] || $B reboot -f
$B date -s @$SECONDS >/dev/null
echo $ENTROPY > /dev/urandom
/bin/reseed || $B reboot -f
if [ $PROFILE = vault-read ]; then
  $B mount -t ext4 -o ro,nosuid,nodev /dev/vdb /work && $B mount -o bind /work/vault /root/vault || $B reboot -f
  $B mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev tmpfs /root/tmp
else
  $B mount -t ext4 -o nosuid,nodev /dev/vdb /work || $B reboot -f
  $B mount -o bind /work/shared /root/shared && $B mount -o bind /work/tmp /root/tmp || $B reboot -f
fi
echo ${goneOnWord} >&3
export HANDS PROFILE ID PROCESSES BLOCKS
# In namespaces of its own: hands see and end their own processes, and not the kernel's.
$B unshare --mount --pid --fork /bin/busybox sh /start
$B reboot -f
`
}

/** Process 1 of the namespace of hands. Whatever is left when hands end, ends with it. */
export const startScript = `B=/bin/busybox
$B mount -t proc -o nosuid,nodev,noexec proc /root/proc
ulimit -c 0
ulimit -n 1024
ulimit -f $BLOCKS
ulimit -u $PROCESSES
cd /
MODE=; [ $PROFILE = vault-read ] && MODE=--vault
exec 3>&-
$B env -i $B chroot /root $B setpriv --nnp /opt/oxbow/node --v8-pool-size=1 --max-semi-space-size=1 ${insideHands} $MODE <>$HANDS >&0 2>/dev/null &
wait $!
`

/**
 * A program that makes the kernel's random generator start afresh from its pool: writing to /dev/urandom adds to the pool, yet
 * two machines of one snapshot would give the same numbers until the next regular reseeding, up to a minute later. Busybox has
 * no such call, so these are 130 bytes of machine code: open("/dev/urandom"), ioctl(RNDRESEEDCRNG), exit.
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
