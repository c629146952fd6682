/** Tries, inside the process tier, what must fail there and what the tools need; then its control groups, and the threads of WASM tools. */
import { truncate } from '../../base/index.ts'
import type { Hands, Profile, SandboxTier } from '../../protocol/index.ts'
import { type BubblewrapPlan, planBubblewrap } from '../bubblewrap/bubblewrap-plan.ts'
import type { CgroupLimit } from '../cgroup/cgroup-delegation.ts'
import { createCgroup } from '../cgroup/cgroup-limits.ts'
import { findProgram, runOnHost } from '../host-programs.ts'
import { runTool } from '../wasm/run-tool.ts'
import { commandTimeoutMs, containerTimeoutMs, spinMs, startTimeoutMs } from './limits.ts'
import { askCommand, type Attempt, type Finding, type Machine, missing, ok, weak, withSandbox, groupsFix } from './tier-attempts.ts'

/** In the process tier, whichever is configured; they say so where it is another. */
export function insideAttempts(machine: Machine): readonly Attempt[] {
  const { tier } = machine.limits
  return insideUses.map(({ name, profile, use }) => ({
    name,
    timeoutMs: startTimeoutMs,
    run: async () => {
      const found = await tryProfile(machine, 'process', profile, use)
      return tier === 'process' ? found : { ...found, says: `${found.says} (process tier)` }
    },
  }))
}

interface InsideUse {
  readonly name: string
  readonly profile: 'work' | 'online'
  use(hands: Hands): Promise<Finding>
}

/** What is tried, by hands that are inside. */
export const insideUses: readonly InsideUse[] = [
  { name: 'system calls', profile: 'work', use: filtered },
  { name: 'sockets', profile: 'work', use: vsockClosed },
  { name: 'privileges', profile: 'work', use: stepsDown },
  { name: 'terminals', profile: 'work', use: terminal },
  { name: 'way out', profile: 'online', use: proxied },
]

/** In the configured tier: not all that have one elsewhere have one there. */
export function browserAttempt(machine: Machine): Attempt {
  const { tier } = machine.limits
  return {
    name: 'browser',
    // It starts after its sandbox.
    timeoutMs: (tier === 'process' ? startTimeoutMs : containerTimeoutMs) * 2,
    run: () => tryProfile(machine, tier, 'browser', browses),
  }
}

function tryProfile(machine: Machine, tier: SandboxTier, profile: Profile, use: (hands: Hands) => Promise<Finding>): Promise<Finding> {
  return withSandbox(machine, { ...machine.limits, tier }, async (sandbox) => {
    const { profiles, lacking = {} } = sandbox.status
    if (profiles.includes(profile)) return use(await sandbox.hands(profile))
    const { why = 'this sandbox does not have', hint = 'See docs/isolation.md.' } = lacking[profile] ?? {}
    return missing(`its calls need one, which ${why}`, hint)
  })
}

async function filtered(hands: Hands): Promise<Finding> {
  const { stdout } = await askCommand(hands, 'grep -c "^Seccomp:.*2$" /proc/self/status; unshare -U true 2>/dev/null && echo made')
  if (stdout === '1\n') return ok('the filter is on: new namespaces are refused')
  return missing('the filter of system calls is not on', 'Use a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64.')
}

/** AF_VSOCK passes every network namespace. Perl is the one program of a plain Debian that can open it. */
async function vsockClosed(hands: Hands): Promise<Finding> {
  const { stdout } = await askCommand(hands, 'perl -e \'print socket(my $s, 40, 1, 0) ? "open" : "closed"\' 2>/dev/null || echo untried')
  if (stdout.startsWith('closed')) return ok('the way to the machine’s host (AF_VSOCK) is closed')
  if (stdout.startsWith('open')) return missing('a program inside can reach the host of this machine by AF_VSOCK', 'Please report this.')
  return weak('AF_VSOCK was not tried', 'apt-get install perl-base')
}

async function stepsDown(hands: Hands): Promise<Finding> {
  const { stdout } = await askCommand(hands, 'grep -E "^(Uid|CapEff|NoNewPrivs):" /proc/self/status | tr -s "\\t\\n" "  "')
  const [, uid] = /Uid: (\d+)/.exec(stdout) ?? []
  const who = process.getuid?.() === 0 ? `root here, uid ${uid} inside` : `uid ${uid}`
  if (uid !== '0' && /CapEff: 0+ /.test(stdout) && stdout.includes('NoNewPrivs: 1')) return ok(`${who}, no capability, none to be gained`)
  return missing(`commands keep privileges: ${stdout.trim()}`, 'Please report this.')
}

async function terminal(hands: Hands): Promise<Finding> {
  const limits = { signal: new AbortController().signal, timeoutMs: startTimeoutMs }
  const opened = await hands.ask(
    'sessionOpen',
    { owner: '', kind: 'shell', command: '', cwd: '/tmp', terminal: { columns: 80, rows: 24 } },
    limits,
  )
  await hands.ask('sessionClose', { owner: '', id: opened.id }, limits)
  if (opened.terminal) return ok('shell sessions have one')
  return weak('shell sessions have pipes: programs that need a terminal will not run', 'npm install @lydell/node-pty')
}

/** The metadata service of clouds must be out of reach both ways; nothing is sent to it. */
async function proxied(hands: Hands): Promise<Finding> {
  const direct = await askCommand(hands, '(exec 3<>/dev/tcp/169.254.169.254/80) 2>/dev/null && echo open')
  if (direct.stdout !== '') return missing('programs reach the network without the proxy', 'Please report this.')
  const ask = 'exec 3<>/dev/tcp/127.0.0.1/8118; printf "CONNECT 169.254.169.254:80 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" >&3; head -1 <&3'
  const { stdout, stderr } = await askCommand(hands, ask)
  if (/^HTTP\/1\.1 4\d\d/.test(stdout)) return ok('only the egress proxy, and it refuses private addresses')
  return missing(`the egress proxy does not answer: ${truncate((stdout + stderr).trim(), 200)}`, 'See docs/isolation.md.')
}

/** Opens a page that nobody serves: a browser that can say so has started, and has a tab. */
async function browses(hands: Hands): Promise<Finding> {
  const limits = { signal: new AbortController().signal, timeoutMs: startTimeoutMs }
  const who = { profile: 'doctor', owner: 'doctor', tab: '' }
  const opened = await hands.ask('browserOpen', { ...who, url: 'http://oxbow.invalid/', newTab: true, maxBytes: 1_000 }, limits).then(
    () => null,
    (error: unknown) => error,
  )
  const { tabs } = await hands.ask('browserTabs', { ...who, action: 'list' }, limits)
  if (tabs.length > 0) return ok('Chromium runs in the sandbox, behind the egress proxy')
  throw opened
}

const words: Readonly<Record<CgroupLimit, string>> = { memory: 'memory', pids: 'processes', cpu: 'processor time' }
const tryScope = 'Check that this prints "true": systemd-run --user --scope echo true   (as root without --user)'

export function limitsAttempt(searchPath: string): Attempt {
  return {
    name: 'limits',
    timeoutMs: commandTimeoutMs,
    async run() {
      const plan = await planBubblewrap(searchPath)
      const cgroups = 'code' in plan ? [] : plan.cgroups
      const held = new Set(cgroups.flatMap(({ limits }) => limits))
      if (held.size === 0) {
        return weak('no writable control group: each process is limited by itself, not the sandbox as a whole', groupsFix)
      }
      const problem = await tryGroup(cgroups, searchPath)
      if (problem !== '') return missing(problem, tryScope)
      const all = Object.keys(words) as CgroupLimit[]
      const named = (limits: readonly CgroupLimit[]): string => limits.map((limit) => words[limit]).join(', ')
      const says = `${named(all.filter((limit) => held.has(limit)))} of a sandbox, by control groups of version ${cgroups[0]?.version}`
      const lacking = all.filter((limit) => !held.has(limit))
      return lacking.length === 0 ? ok(says) : weak(`${says}; not ${named(lacking)}`, groupsFix)
    },
  }
}

/** @returns why a group cannot be made after all; '' when it can. @throws a system error where it is made by hand, and cannot be */
async function tryGroup(parents: BubblewrapPlan['cgroups'], searchPath: string): Promise<string> {
  const bounds = { memoryBytes: 64 * 1024 * 1024, processes: 32, cpus: 1 }
  const group = createCgroup(parents, `doctor-${process.hrtime.bigint().toString(36)}`, bounds)
  try {
    const [file, ...args] = group.command
    if (file === undefined) return ''
    const { exitCode, stderr } = await runOnHost(file, [...args, findProgram('true', searchPath) ?? '/bin/true'])
    return exitCode === 0 ? '' : `systemd-run makes no scope: ${stderr}`
  } finally {
    group.remove()
  }
}

/** Runs a module that ends, one that never ends, and one that grows beyond its memory limit. */
export const wasmAttempt: Attempt = {
  name: 'WASM tools',
  timeoutMs: startTimeoutMs,
  async run() {
    const ends = await runModule(nothing)
    if (!ends.ok) return missing(`a module cannot be run: ${ends.failure.message}`, 'Please report this.')
    if ((await runModule(forever)).ok) return missing('a module that never ends was not ended', 'Please report this.')
    const grown = await runModule(grows)
    if (!grown.ok) return missing('a module got more memory than it may have', 'Please report this.')
    return ok('run, ended at their time limit, held to their memory')
  },
}

function runModule(body: readonly number[]): ReturnType<typeof runTool> {
  return runTool({ kind: 'wasi', code: moduleOf(body), input: null, limits: { timeoutMs: spinMs, memoryMb: 2 } })
}

// Instructions of WebAssembly, by the binary format of its specification, section 5.4.
const nothing = [0x0b]
/** loop br 0 end */
const forever = [0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b]
/** 2000 pages are asked for; anything but -1 is a trap. */
const grows = [0x41, 0xd0, 0x0f, 0x40, 0x00, 0x41, 0x7f, 0x47, 0x04, 0x40, 0x00, 0x0b, 0x0b]

const magic = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]

/** A module with one page of memory and `_start`, which has this body. */
function moduleOf(body: readonly number[]): Uint8Array {
  const text = (word: string): number[] => [word.length, ...Buffer.from(word)]
  const section = (id: number, bytes: readonly number[]): number[] => [id, bytes.length, ...bytes]
  return Uint8Array.from([
    ...magic,
    ...section(1, [1, 0x60, 0, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...text('memory'), 2, 0, ...text('_start'), 0, 0]),
    ...section(10, [1, body.length + 1, 0, ...body]),
  ])
}
