/** Limits on what the kernel takes from hands, and on what a sandbox may use where the configuration has no say. */

const mib = 1024 * 1024

/** Most bytes of one reply: what hands send at most, and a little. */
export const maxReplyBytes: number = 33 * mib
/** Most bytes of unfinished replies: hostile hands cannot fill the kernel's memory with messages that never end. */
export const maxPendingBytes: number = 64 * mib
/** Most requests that wait for hands. Each is one running call; more means that something is stuck. */
export const maxPendingRequests = 48
/** After a cancel hands end the process tree of the request (grace 0.5 s, kill 3 s) and answer; then the sandbox goes. */
export const cancelGraceMs = 4_500
/** From the start of the launcher to the greeting. Measured: 0.06 s idle; a machine under load may need seconds. */
export const startTimeoutMs = 10_000
/** How long the end of a killed sandbox is waited for. */
export const endTimeoutMs = 3_000
/** What the launcher wrote to standard error is kept to explain a failed start. */
export const maxDiagnosticBytes = 4096
/** Longest message or hint that hands may send. */
export const maxFailureText = 4_000

/** Open files of one process in the sandbox. */
export const maxOpenFiles = 1024
/** Shared memory of the sandbox (/dev/shm); counted as memory too. */
export const maxSharedMemoryBytes: number = 64 * mib
/** Entries of a workspace that are given to the sandbox's uid at a start. More are left as they are. */
export const maxChownEntries = 20_000
/** Where no cgroup bounds the whole sandbox, one process gets no less than this: Node does not start with 500, V8 reserves that much. */
export const minDataMb = 768
/** How long the kernel may take to let go of a control group whose processes were killed. */
export const cgroupRemoveMs = 2_000
