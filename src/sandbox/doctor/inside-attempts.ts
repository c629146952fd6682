/** Tries, inside the process tier, what must not work there, and what the tools need. */
import type { Hands } from '../../types/index.ts'
import { findBrowser } from '../browser/find-browser.ts'
import { missing, ok, weak } from './attempt.ts'
import type { Attempt, Finding } from './attempt.ts'
import { startTimeoutMs } from './limits.ts'
import { askCommand, withSandbox } from './tier-attempts.ts'
import type { Machine } from './tier-attempts.ts'

export function insideAttempts(machine: Machine): readonly Attempt[] {
  const inside = (name: string, profile: 'work' | 'online' | 'browser', use: (hands: Hands) => Promise<Finding>): Attempt => ({
    name,
    timeoutMs: startTimeoutMs,
    run: () =>
      withSandbox(machine, { ...machine.limits, tier: 'process' }, async (sandbox) => {
        if (!sandbox.status.profiles.includes(profile)) return notOffered(machine, profile)
        return use(await sandbox.hands(profile))
      }),
  })
  return [
    inside('system calls', 'work', filtered),
    inside('sockets', 'work', vsockClosed),
    inside('privileges', 'work', stepsDown),
    inside('terminals', 'work', terminal),
    inside('way out', 'online', proxied),
    inside('browser', 'browser', browses),
  ]
}

function notOffered({ browser }: Machine, profile: string): Finding {
  const parts = findBrowser(browser)
  if (profile === 'browser' && 'code' in parts) return missing(parts.message, parts.hint)
  return missing(`no profile "${profile}" here`, 'See docs/isolation.md.')
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
  return missing(`the egress proxy does not answer: ${(stdout + stderr).trim().slice(0, 200)}`, 'See docs/isolation.md.')
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
