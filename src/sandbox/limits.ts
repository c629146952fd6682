/** Limits on what the kernel takes from hands, and on what a sandbox may use where the configuration has no say. */
import type { Profile } from '../protocol/index.ts'

const mib = 1024 * 1024

/** Most bytes of one reply: what hands send at most, and a little. */
export const maxReplyBytes: number = 33 * mib
/** Most values in one reply: a survey of all that may be taken over has 1.6 million. Of the smallest, that many take 90 MB and 0.4 s. */
export const maxReplyValues = 2_000_000
/** Most bytes of unfinished replies: hostile hands cannot fill the kernel's memory with messages that never end. */
export const maxPendingBytes: number = 64 * mib
/** Most requests that wait for hands. Each is one running call; more means that something is stuck. */
export const maxPendingRequests = 48
/** After a cancel hands end the process tree of the request (grace 0.5 s, kill 3 s) and answer; then the sandbox goes. */
export const cancelGraceMs = 4_500
/** From the start of the launcher to the greeting. Measured: 0.06 s idle; a machine under load may need seconds. */
export const startTimeoutMs = 10_000
/** The longest wait for the end of a killed sandbox. */
export const endTimeoutMs = 3_000
/** Hands of a profile are ended after so long without a request; null: never. The vault is open only while it is read. */
export const profileIdleMs: Readonly<Record<Profile, number | null>> = { work: null, online: null, browser: 300_000, 'vault-read': 10_000 }
/** Hands that were replaced end after so long without a request: what reads a tree in many requests asks again within milliseconds. */
export const replacedRestMs = 5_000
/** The list of sessions is kept in memory: hands that take longer are stuck. */
export const sessionListMs = 5_000
/** Bytes of the launcher's standard error that are kept, to explain a failed start. */
export const maxDiagnosticBytes = 4096
/** Longest message or hint that hands may send. */
export const maxFailureText = 4_000

/** Branches of files of a workspace, merged ones not counted: each has the size of the workspace where files are not shared. */
export const maxBranches = 64
/** The copy of a workspace. Measured: 1 GB on a slow disk takes 20 s, 20 000 small files 2 s. */
export const branchCopyMs = 120_000
/** A copy where neither overlays nor shared blocks are possible: more of it would fill a disk that nobody has looked at. */
export const maxCopiedBytes: number = 1024 * mib
/** To mount the overlays of a branch: two programs, some milliseconds each. */
export const overlayMountMs = 10_000
/** Folders in folders of a branch that are looked at, as many as hands look at. */
export const maxOverlayDepth = 64
/** Of an archive on its way from one sandbox to another. */
export const branchPieceBytes: number = 4 * mib

/** One answer to a client of a protocol over HTTP, which may be a stream of many messages. */
export const maxStreamBytes: number = 64 * mib

/** Open files of one process in the sandbox. */
export const maxOpenFiles = 1024
/** Shared memory of the sandbox (/dev/shm); counted as memory too. */
export const maxSharedMemoryBytes: number = 64 * mib
/** Entries of a workspace whose owner is changed to the sandbox's uid at one start. The rest is left to the next start. */
export const maxChownEntries = 20_000
/** So many of them in one step: about 5 ms of the kernel's event loop. */
export const giveAtOnce = 400
/** Repositories below the workspace whose hooks are guarded, the depth of the search, and the folders it visits: milliseconds in all. */
export const maxGuardedRepositories = 30
export const maxRepositoryDepth = 3
export const maxRepositoryEntries = 2_000
/** Check of the mounts of a sandbox that joins running ones, and the size of their table. Measured: 12 ms. */
export const guardCheckMs = 10_000
export const maxMountTableBytes: number = 1 * mib
/** Where no cgroup bounds the whole sandbox, one process gets no less than this: Node does not start with 500, V8 reserves that much. */
export const minDataMb = 768
/** JavaScript objects of one host of plugins; more than any of those that tests run needs. */
export const maxHostHeapMb = 512
/** How long the system may take to release a control group whose processes were killed. */
export const cgroupRemoveMs = 2_000
/** How long systemd may take to answer whether it has delegated a unit. Measured: 10 ms. */
export const managerAnswerMs = 2_000
/** How often the processes of our own control group are moved out of it: each time, processes may have started meanwhile. */
export const maxCgroupMoves = 20

/** Defaults of a WASM tool, the same as in Oxios (50 MB, 30 s). There is no limit on instructions: V8 does not count them. */
export const toolMemoryMb = 50
export const toolTimeoutMs = 30_000
/** Of standard output, of standard error and of what is returned: more than a model reads. */
export const toolOutputBytes: number = 1 * mib
/** All files of all mounts. They are copied in and compared at the end; a larger tree belongs into the process tier. */
export const toolFileBytes: number = 64 * mib
/** What a run may ask for at most. */
export const maxToolMemoryMb = 1024
export const maxToolTimeoutMs: number = 60 * 60 * 1000
export const maxToolOutputBytes: number = 4 * mib
export const maxToolFileBytes: number = 512 * mib

/** Largest module: what Oxios takes. Its compiled code is several times as large, outside of every limit. */
export const maxToolCodeBytes: number = 10 * mib
/** JSON that goes in, to a tool or back to it from a function of the host. */
export const maxToolInputBytes: number = 4 * mib
/** Files and folders that were ever there in one run. */
export const maxToolFiles = 10_000
export const maxToolPathChars = 1_024
export const maxToolMounts = 16
/** Each asks the kernel for something. A tool that needs more should ask for more at once. */
export const maxHostCalls = 10_000
/** Answers on record that go along with another to a script that goes on: one way there and back for so many calls. */
export const maxKnownReplies = 1_000
/** Names of refused functions that are kept, and how much of each. */
export const maxRefusedNames = 20
export const maxHostNameChars = 100
/** Functions of a large program; V8 allows ten million for each of a hundred thousand tables. */
export const maxTableEntries = 100_000
export const maxTables = 8
/** Each becomes objects of the thread. */
export const maxToolImports = 10_000
export const maxToolExports = 10_000
export const maxTags = 10_000
/** Modules have a dozen sections, and a few more of their own; each becomes an object before anything is compiled. */
export const maxModuleSections = 1_000
/** Entries of all tables and segments, a byte or more each: what a segment of ten million takes ended the whole process. */
export const maxElementBytes: number = 1 * mib
/** Measured: a function of 7 MB that only nests took 3.3 GB while it was compiled. The largest of interpreters have 100 KB. */
export const maxFunctionBytes: number = 256 * 1024
/** Files and folders open at once: what POSIX systems give a process. Each is an object of the thread. */
export const maxToolDescriptors = 1_024
/** Levels of the JSON that a tool returns: whatever writes it again does so by recursion. */
export const maxToolOutputDepth = 100
/** Pieces of one read or write: what POSIX systems take. */
export const maxIoPieces = 1_024
/** QuickJS is built to begin with this much memory. */
export const scriptMinMemoryMb = 16
/**
 * The JavaScript heap of a tool's thread, for the runner alone. V8 ends the whole process, and not the thread, when one large
 * object does not fit: so nothing whose size a tool decides may become an object there unmeasured.
 */
export const toolHeapMb = 128
/** From the start of the thread to the moment the tool may run. Measured: 0.06 s idle. */
export const toolStartTimeoutMs = 20_000
/** A thread that was started ahead ends after so long without a script. */
export const scriptThreadRestMs: number = 5 * 60_000
/** QuickJS ends by itself at its time limit; when it is stuck where it does not look, the thread is ended this much later. */
export const scriptGraceMs = 250
/** What clocks say is in whole steps of this: enough for a tool, too coarse to spy on caches. */
export const toolClockStepNs = 1_000_000n
/** Things that one poll may wait for. */
export const maxPollSubscriptions = 1_024

/** Longest URL that is fetched: what common servers take. */
export const maxUrlCharacters = 8_192
/** Follows of one fetch, each checked anew. */
export const maxRedirects = 5
/** Body of one page, sent and unpacked. */
export const maxFetchBytes: number = 10 * mib
/** One fetch with all its redirects. */
export const fetchTimeoutMs = 30_000
/** Fetches at once; each may hold a whole body. */
export const maxFetches = 8
/** Look-ups at once: each holds one of the four threads that file access shares. */
export const maxLookups = 2
/** Addresses of a name that are tried in turn. All are checked. */
export const maxAddresses = 8
/** Node's own limit is half of it, which some policies of large sites outgrow. */
export const maxResponseHeaderBytes: number = 32 * 1024
/** Look-ups at once for the proxy: what a command asks for never holds up a fetch. */
export const maxProxyLookups = 1
/** Connections of one profile to the egress proxy at once. A browser has six to a host; `npm` opens fifteen. */
export const maxProxyConnections = 64
/** Header of a request to the proxy; what common servers take. */
export const maxProxyHeaderBytes: number = 16 * 1024
/** From the first byte of a connection to the end of the header. */
export const proxyHeaderMs = 10_000
/** Until the other side has accepted a connection. */
export const proxyConnectMs = 20_000
/** Without a byte in either direction. Servers that think or hold a line open are given this long. */
export const proxyIdleMs = 120_000
/** Of one connection, each way: the largest package or repository that is fetched in one go. */
export const maxProxyBytes: number = 2 * 1024 * mib
/** Rows of hosts in the record of one command, and characters of a name in it. */
export const maxVisitRows = 50
export const maxVisitHostCharacters = 253
/** Longest path of a unix socket: sun_path has 108 bytes, its end counted (unix(7)). */
export const maxSocketPathBytes = 107
/** Answers of status 1xx before the real one. */
export const maxInterimAnswers = 10

/** A program of the host that reports what is installed, or removes something. An engine on a busy machine takes a second. */
export const hostCommandMs = 20_000
/** Output of such a program; a list of many containers has about 100 kB. */
export const hostCommandBytes: number = 4 * mib
/** Copying, packing and importing a root of some 200 MB. Measured: 11 s. */
export const rootBuildMs = 300_000
/** Files of a root. Python alone has 2 500. */
export const maxRootEntries = 20_000

/** One step of building an image of a machine: the download of a kernel package (27 MB) is the longest. */
export const imageStepMs: number = 5 * 60_000
/** Room in the root file system of a machine for what a file system writes about its files. */
export const rootImageSpareBytes: number = 32 * mib

/** Processes of one uid on the whole machine: high, because every container counts against it; a control group bounds each. */
export const containerProcessLimit = 32_768
/**
 * On the host each process in gVisor is some 7.5 tasks (measured with 20 to 240), ended processes' tasks stay a while, and its kernel has threads
 * of its own. Where a control group refuses one, that kernel dies with all that runs in it: its own count of processes must refuse first.
 */
export const gvisorTasksOfProcess = 32
export const gvisorOwnTasks = 256
/** How long processes of a removed container may stay. */
export const containerGoneMs = 2_000

/** Processes and threads of a browser with many tabs. */
export const browserProcesses = 512
/** A guest has one connection for each profile, and perhaps one that is being closed. */
export const maxServedConnections = 4
/** Questions of an isolated guest about files of plugins that are answered at once. */
export const maxServedQuestions = 16
/** Skills whose files an isolated guest has shown at once, each a line of JSON: `maxSkillTotalBytes` in base64. */
export const maxServedSkills = 4
export const maxSkillLineBytes: number = 6 * 1024 * 1024
/** Two profiles of each branch of files that is in use, and what asks about them. */
export const maxServedBranchConnections = 64
/** A request that a runner passes on has its limit at the guest's side, which cancels it; this one only ends what was forgotten. */
export const maxRelayedMs: number = 24 * 3_600_000
/** Wait for the last output of an engine's client that has ended. */
export const containerTalkMs = 250
/** In addition to a machine's memory: QEMU itself, and what it has translated of the guest. */
export const translationMb = 128
export const machineOverheadMb = 320
/** QEMU has a handful of threads; the launcher and mke2fs one. */
export const machineThreads = 64
/** From the start of QEMU to hands that wait. Measured under emulation: 5 s idle; a machine under load takes many times as long. */
export const bootTimeoutMs = 60_000
/** A program in a machine of its own runs as long as it likes: the longest time that a timer knows, 24 days. */
export const maxProgramMs: number = 2 ** 31 - 1
/** Between the end of such a program and its last output, which comes over a port of its own. */
export const carriedTalkMs = 2_000
/** Writing a snapshot. Measured: 0.3 s. */
export const snapshotTimeoutMs = 30_000
/** From the start of QEMU with a snapshot to a mounted workspace. Measured: 0.4 s. */
export const restoreTimeoutMs = 30_000
/** Bytes that are kept of what the guest writes on the control port, and QEMU on its monitor. */
export const maxControlBytes = 1_000
export const maxMonitorBytes: number = 1 * mib
/** Images kept besides the newest, 170 MB each: a guest that runs may still start machines from one. */
export const maxOldImages = 1
/** Snapshots that are kept, 70 to 130 MB each: of three kinds of machine, and another configuration's. */
export const maxSnapshots = 6
/** Disk of a machine where the configuration does not say. It is a sparse file. */
export const machineDiskMb = 2_048
/** Largest file of a browser: its shared memory counts as files too. Downloads end earlier. */
export const browserFileMb = 256
/**
 * How long a machine may take to boot with the processor's help until that counts as not working. It needs a second, more under load;
 * the answer holds until the host boots again, and a wrong no makes all machines fifty times slower.
 */
export const kvmProbeMs = 20_000
/** Making a disk of a folder. Measured: 0.3 s for 110 MB. */
export const diskBuildMs = 120_000
export const diskBuildMemoryMb = 512
/** An isolated guest: some hundred megabytes are used by hundreds of sessions; its threads are the store's, the tokenizer's, tools'. */
export const guestMemoryMb = 1_536
export const guestProcesses = 128
/** A database has no size that is too large: 8 TiB. */
export const noFileLimitMb: number = 8 * 1024 * 1024
/** A refusal of the egress proxy: one line. */
export const maxRefusalBytes = 1_000
/** One piece of a file that comes from a machine's disk, how long hands may take for it or for a look at everything, and how many are asked for at once. */
export const importPieceBytes: number = 4 * mib
export const importRequestMs = 60_000
export const importsAtOnce = 4
/** Reports to the person for one import. */
export const maxMergeReports = 20
/** What a machine may take at its end to bring its changes to the host. */
export const importAtEndMs = 20_000
/** One piece of what a person has changed, on its way into a machine, and about how much is put in place at once there. */
export const givePieceBytes: number = mib
export const giveRoundBytes: number = 64 * mib
/** How often both sides are compared while something runs in a machine. Emulated, a look at 2 000 files takes 0.3 s. */
export const stepMs = 2_000
/** Connections that a relay forwards at once; the listener behind it accepts fewer and refuses the rest. */
export const maxRelayedConnections = 1_024

/** Passes that a runner keeps for an isolated guest: sessions, jobs and commands of one person. */
export const maxServedPasses = 200
/** The same as in calls. */
export const maxPassHosts = 50
/** Fifty hosts in a request; all rows of a log in a reply. */
export const maxPassLineBytes: number = 1024 * 1024
/** What a branch has changed: some hundred thousand paths. */
export const maxChangesLineBytes: number = 16 * 1024 * 1024
/** Between two processes of one machine. */
export const passAnswerMs = 10_000

/** What an isolated guest names of a program: its arguments and variables. */
export const maxServerHeaderBytes: number = 1024 * 1024
/** One piece of a program's output on its way to an isolated guest; a pipe has 64 KiB. */
export const maxServerFrameBytes: number = 1024 * 1024
/** Programs of an isolated guest that run at once. */
export const maxServedPrograms = 64
/** Skills whose shown version is remembered; others are written again. */
export const maxHeldSkills = 500

/** How often a guest asks a node that has hands for it whether it is there. */
export const farPingMs = 2_500
/** A node that has not been asked for so long ends the hands: before their guest, which waits `farLostMs`, has others started. */
export const farLeaseMs = 8_500
/** A guest that got no answer for so long takes the node for lost. */
export const farLostMs = 10_000
/** How long a guest waits for a node with room. */
export const farWaitMs = 30_000
/** Connections of one place: hands, the one that holds it, the one of the network, and what is asked. */
export const maxFarConnections = 16
/** Connections of the programs of one branch elsewhere to the network at once. */
export const maxFarStreams = 32
/** Versions that a node keeps the files of, besides those in use: the next fan-out may begin with the same. */
export const maxKeptFarVersions = 8
