/**
 * System calls that no tool needs and that widen the kernel's attack surface or undo a namespace. Linux uapi asm/unistd_64.h
 * for x86_64 and asm-generic/unistd.h for aarch64; from 424 on the numbers are the same everywhere.
 */

/** Names with their number on x86_64 and on aarch64; null where the call does not exist. */
const denied: readonly (readonly [name: string, x64: number | null, arm64: number | null])[] = [
  // Other processes' memory.
  ['ptrace', 101, 117],
  ['process_vm_readv', 310, 270],
  ['process_vm_writev', 311, 271],
  ['process_madvise', 440, 440],
  ['kcmp', 312, 272],
  ['pidfd_getfd', 438, 438],
  // Kernel keyrings are not in a namespace.
  ['keyctl', 250, 219],
  ['add_key', 248, 217],
  ['request_key', 249, 218],
  // Mounts and namespaces.
  ['mount', 165, 40],
  ['umount2', 166, 39],
  ['pivot_root', 155, 41],
  ['chroot', 161, 51],
  ['open_tree', 428, 428],
  ['move_mount', 429, 429],
  ['fsopen', 430, 430],
  ['fsconfig', 431, 431],
  ['fsmount', 432, 432],
  ['fspick', 433, 433],
  ['mount_setattr', 442, 442],
  ['open_tree_attr', 467, 467],
  ['setns', 308, 268],
  ['unshare', 272, 97],
  // Large and often broken parts of the kernel.
  ['bpf', 321, 280],
  ['perf_event_open', 298, 241],
  ['userfaultfd', 323, 282],
  ['io_uring_setup', 425, 425],
  ['io_uring_enter', 426, 426],
  ['io_uring_register', 427, 427],
  ['vmsplice', 278, 75],
  ['fanotify_init', 300, 262],
  ['quotactl', 179, 60],
  ['quotactl_fd', 443, 443],
  // The machine itself.
  ['kexec_load', 246, 104],
  ['kexec_file_load', 320, 294],
  ['init_module', 175, 105],
  ['finit_module', 313, 273],
  ['delete_module', 176, 106],
  ['clock_settime', 227, 112],
  ['clock_adjtime', 305, 266],
  ['settimeofday', 164, 170],
  ['adjtimex', 159, 171],
  ['reboot', 169, 142],
  ['swapon', 167, 224],
  ['swapoff', 168, 225],
  ['acct', 163, 89],
  ['syslog', 103, 116],
  ['vhangup', 153, 58],
  ['sethostname', 170, 161],
  ['setdomainname', 171, 162],
  ['iopl', 172, null],
  ['ioperm', 173, null],
  ['modify_ldt', 154, null],
  // Files by handle pass every mount; device nodes and FIFOs have no use here.
  ['name_to_handle_at', 303, 264],
  ['open_by_handle_at', 304, 265],
  ['mknod', 133, null],
  ['mknodat', 259, 33],
  // Memory placement and execution domains.
  ['mbind', 237, 235],
  ['set_mempolicy', 238, 237],
  ['set_mempolicy_home_node', 450, 450],
  ['migrate_pages', 256, 238],
  ['move_pages', 279, 239],
  ['personality', 135, 92],
]

/** What the filter must know of a processor. `audit` is its AUDIT_ARCH constant. */
export interface SyscallNumbers {
  readonly audit: number
  readonly denied: readonly number[]
  readonly clone: number
  readonly clone3: number
  readonly ioctl: number
  readonly socket: number
  /** x86_64 only: numbers from here on are the x32 variants of the same calls. */
  readonly x32From: number | null
}

/** The same list for who loads filters by name. */
export function deniedSyscalls(): readonly string[] {
  return denied.map(([name]) => name)
}

/** @returns null for a processor that has no table here. */
export function syscallNumbers(arch: string): SyscallNumbers | null {
  const column = (at: 1 | 2): number[] => denied.map((row) => row[at]).filter((number) => number !== null)
  if (arch === 'x64') {
    return { audit: 0xc000003e, denied: column(1), clone: 56, clone3: 435, ioctl: 16, socket: 41, x32From: 0x40000000 }
  }
  if (arch === 'arm64') return { audit: 0xc00000b7, denied: column(2), clone: 220, clone3: 435, ioctl: 29, socket: 198, x32From: null }
  return null
}
