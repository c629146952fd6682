/** Starts the part of the daemon that runs as a user (user-process.ts), and hears it out: with patience, and without trust. */
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Failure, isErrorCode, OxbowError, systemClock, toFailure } from '../../base/index.ts'
import type { ChainHead, UserSettings } from '../../protocol/index.ts'
import type { KeepEnd, KeepHooks, Keeping } from '../daemon/keep-here.ts'
import { daemonFlags, keeperStopMs, maxKeeperLineBytes, minSealMs } from '../daemon/limits.ts'
import { jsonLines } from '../guest-process.ts'
import type { HeadSigner } from '../heads/head-signing.ts'
import type { Account } from './accounts.ts'
import { systemUser } from './seals.ts'
import { type UserOrder, type UserReport, userReport } from './user-messages.ts'

export interface UserProcess {
  readonly account: Account
  readonly home: string
  readonly root: string
  readonly version: string
  readonly variables: Readonly<Record<string, string>>
  /** Files of control groups, into which it writes its id before it is anything else. */
  readonly entries: readonly string[]
  readonly limits: string
  readonly signer: HeadSigner
  readonly settings: UserSettings
  readonly hooks: KeepHooks
}

export interface RunningProcess extends Keeping {
  /** As the status shows them. */
  readonly limits: string
  /** Tells what an administrator has set since. */
  tell(settings: UserSettings): void
}

/** It enters its groups as root, then gives up everything that is root's: user, group, other groups, capabilities. */
const entering = `for entry in "$@"; do echo $$ > "$entry" || exit 120; done; exec setpriv --reuid "$UID_" --regid "$GID_" --clear-groups --inh-caps=-all --bounding-set=-all -- "$NODE_" ${daemonFlags.join(' ')} "$MAIN_" --keep`

export function startUserProcess(of: UserProcess): RunningProcess {
  const { account, home, root, entries, signer, hooks } = of
  const child = spawn('/bin/sh', ['-c', entering, 'oxbowd', ...entries], {
    cwd: home,
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: account.home,
      USER: account.name,
      LOGNAME: account.name,
      LANG: process.env['LANG'] ?? 'C.UTF-8',
      OXBOW_HOME: home,
      OXBOW_SYSTEM_ROOT: root,
      ...(process.env['TZ'] !== undefined && { TZ: process.env['TZ'] }),
      ...(process.env['OXBOW_MACHINE_CONFIG'] !== undefined && { OXBOW_MACHINE_CONFIG: process.env['OXBOW_MACHINE_CONFIG'] }),
      UID_: String(account.uid),
      GID_: String(account.gid),
      NODE_: process.execPath,
      MAIN_: process.argv[1] ?? '',
    },
  })
  child.stdin.on('error', () => {})
  const order = (line: UserOrder): void => void child.stdin.write(`${JSON.stringify(line)}\n`)
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    child.once('error', (error) => resolve(error.message))
  })
  const seal = createSeal(signer, order)
  order({
    type: 'begin',
    user: systemUser,
    version: of.version,
    variables: { ...of.variables },
    settings: of.settings,
    newest: signer.newest(),
  })
  const hear = async (): Promise<KeepEnd> => {
    let end: KeepEnd | null = null
    try {
      for await (const line of calmly(jsonLines(child.stdout, maxKeeperLineBytes))) {
        const report = userReport.safeParse(line).data
        if (report !== undefined) end = take(report, hooks, seal.add) ?? end
      }
    } catch (error) {
      end = { why: 'failed', failure: toFailure(error, 'guest_unreachable', 'See the log of the guest.') }
    }
    if (child.pid !== undefined && end?.why === 'failed') killGroup(child.pid)
    const how = await exited
    seal.close()
    return end ?? { why: 'failed', failure: gone(account.name, how) }
  }
  return {
    limits: of.limits,
    over: hear(),
    tell: (settings) => order({ type: 'settings', settings }),
    stop() {
      child.stdin.end()
      const timer = setTimeout(() => child.pid !== undefined && killGroup(child.pid), keeperStopMs)
      void exited.then(() => clearTimeout(timer))
    },
  }
}

function gone(user: string, how: string): OxbowError {
  const why = how === 'exit code 120' ? 'it could not enter its control group' : `it ended (${how})`
  return new OxbowError('guest_unreachable', `the part of the daemon that runs as ${user} is gone: ${why}`, {
    hint: `oxbow start --user ${user} starts it again.`,
  })
}

/** @returns how it ended, if this says so; else null */
function take(report: UserReport, hooks: KeepHooks, seal: (head: ChainHead) => void): KeepEnd | null {
  if (report.type === 'over') {
    if (report.why === 'failed' && report.failure !== null) return { why: 'failed', failure: failureOf(report.failure) }
    return report.why === 'idle' ? { why: 'idle', nextAt: report.next_at } : { why: 'stopped' }
  }
  if (report.type === 'started') hooks.onStart(report)
  else if (report.type === 'other') hooks.onOther(report)
  else if (report.type === 'lost') hooks.onLoss(failureOf(report.failure), report.pause_ms)
  else if (report.type === 'warning') hooks.onWarn(report.text)
  else seal(report.head)
  return null
}

function failureOf({ code, message, hint }: { code: string; message: string; hint: string }): Failure {
  return { code: isErrorCode(code) ? code : 'guest_unreachable', message, hint }
}

/** Signs the newest head that was reported, and no more often than the disk of root can bear. */
function createSeal(signer: HeadSigner, order: (line: UserOrder) => void) {
  let waiting: ChainHead | null = null
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (waiting === null) return
    const problem = signer.sign(waiting) ?? ''
    waiting = null
    order({ type: 'sealed', newest: signer.newest(), problem })
  }
  return {
    add(head: ChainHead): void {
      waiting = head
      timer ??= setTimeout(flush, minSealMs)
    },
    close(): void {
      flush()
      signer.close()
    },
  }
}

/** Lines that come faster than any honest part has something to say are read slowly: the writer waits, not root. */
async function* calmly(lines: AsyncIterable<unknown>): AsyncGenerator {
  let [count, since] = [0, systemClock.monotonicMs()]
  for await (const line of lines) {
    yield line
    count += 1
    const passedMs = systemClock.monotonicMs() - since
    if (passedMs > windowMs) [count, since] = [0, systemClock.monotonicMs()]
    else if (count > maxLines) await sleep(windowMs - passedMs)
  }
}

const windowMs = 1_000
const maxLines = 100

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}
