/** `oxbow top --all`: every user of this home with their guest, what it runs, what waits, what it uses and what it spends. */
import { setTimeout as sleep } from 'node:timers/promises'
import { errorMessage, type Failure, toFailure, untilAborted, type UserId } from '../../base/index.ts'
import { connect } from '../../client/index.ts'
import { findGuest, type Home, loadConfig, openHome, openWorkspace, usersOf } from '../../runner/index.ts'
import type { OutputOf } from '../../protocol/index.ts'
import { type GatewayPort, outputOf } from '../guest-connection.ts'
import { printLine, printText, type Terminal } from '../terminal.ts'
import { formatMoney, plainLine, table } from '../../terminal/index.ts'
import { clearScreen, type TopOptions } from './agents.ts'

interface Load {
  readonly now: OutputOf<'system.now'>
  readonly resources: OutputOf<'resources.show'>['now']
  readonly costs: Pick<OutputOf<'costs.show'>, 'today' | 'sum'>
}

/** Refreshes until Ctrl+C. With `--json` or without a terminal, one object a look, and no screen is cleared. */
export async function watchUsers(options: TopOptions, terminal: Terminal): Promise<number> {
  for (;;) {
    const users = await askUsers(terminal, loadOf)
    const hands = await handsElsewhere(terminal)
    if (options.json === true)
      printLine(terminal, JSON.stringify({ users: users.map(plainUser), ...(hands !== null && { hands: hands.all }) }))
    else {
      if (options.once !== true && terminal.output.isTTY) terminal.output.write(clearScreen)
      printText(terminal, hands === null ? usersText(users) : `${usersText(users)}\n\n${hands.text}`)
    }
    if (options.once === true) return 0
    await sleep(options.interval * 1_000)
  }
}

/** @returns the hands of the cluster; null: this machine belongs to none */
async function handsElsewhere(terminal: Terminal): Promise<{ readonly all: readonly object[]; readonly text: string } | null> {
  const home = openHome(terminal.env)
  const [user] = usersOf(home)
  if (user === undefined) return null
  const config = loadConfig(home, openWorkspace(home, user))
  if (config.cluster.nats.length === 0) return null
  try {
    const { handsOfCluster, handsText } = await import('../cluster/cluster.ts')
    const all = await handsOfCluster(terminal)
    return { all, text: handsText(all, Date.now()) }
  } catch (error) {
    return { all: [], text: `Hands of the cluster: ${errorMessage(error)}` }
  }
}

async function loadOf(gateway: GatewayPort): Promise<Load> {
  const [now, { now: resources }, { today, sum }] = await Promise.all([
    outputOf(gateway, 'system.now', {}),
    outputOf(gateway, 'resources.show', { history: 0 }),
    outputOf(gateway, 'costs.show', { by: 'day', since: '1d', limit: 1 }),
  ])
  return { now, resources, costs: { today, sum } }
}

function plainUser(guest: UserGuest<Load>): object {
  if (guest.state !== 'running') return guest
  const { user, state, pid, answer } = guest
  const { now, resources, costs } = answer
  const { turns, calls, approvals, admission } = now
  return {
    user,
    state,
    pid,
    turns: turns.length,
    messages_waiting: waitingIn(now),
    calls: calls.length,
    approvals: approvals.length,
    runs: admission.running,
    runs_queued: admission.queued.length,
    cpu_percent: resources.guest_cpu_percent,
    memory_mb: resources.guest_memory_mb,
    loop_delay_ms: resources.loop_delay_ms,
    open_files: resources.open_files,
    spent_today: { micro_dollars: costs.today.micro_dollars, tokens: costs.sum.tokens },
    lanes: turns,
  }
}

const waitingIn = ({ turns }: Load['now']): number => turns.reduce((sum, { waiting }) => sum + waiting, 0)

function usersText(users: readonly UserGuest<Load>[]): string {
  const running = users.flatMap((one) => (one.state === 'running' ? [one] : []))
  const machine = running[0]?.answer.resources
  const spent = running.reduce((sum, { answer }) => sum + answer.costs.today.micro_dollars, 0)
  const head = [
    `users: ${users.length}, with a guest: ${running.length}; today: ${formatMoney(spent)}`,
    ...(machine === undefined
      ? []
      : [
          `machine: processor ${machine.cpu_percent} %, memory ${machine.memory_used_mb} of ${machine.memory_total_mb} MB, load ${machine.load_1m}`,
        ]),
  ]
  const rows = users.map((one) => {
    const name = plainLine(one.user, 30)
    if (one.state === 'stopped') return [name, 'stopped', ...dashes]
    if (one.state === 'unreachable') return [name, `does not answer (pid ${one.pid})`, ...dashes]
    const { now, resources, costs } = one.answer
    const { running: runs, queued } = now.admission
    return [
      name,
      `pid ${one.pid}`,
      `${now.turns.length}${waitingIn(now) === 0 ? '' : ` (+${waitingIn(now)})`}`,
      `${runs}${queued.length === 0 ? '' : ` (+${queued.length})`}`,
      `${now.approvals.length}`,
      `${resources.guest_cpu_percent} %`,
      `${resources.guest_memory_mb} MB`,
      `${resources.loop_delay_ms} ms`,
      formatMoney(costs.today.micro_dollars),
    ]
  })
  return `${head.join('\n')}\n\n${table([['USER', 'GUEST', 'TURNS', 'RUNS', 'ASKS', 'CPU', 'MEMORY', 'LOOP', 'TODAY'], ...rows])}`
}

const dashes: readonly string[] = ['-', '-', '-', '-', '-', '-', '-']

// A running guest is asked, and one that does not run is only named: none is started.

/** How long one guest may take to answer: a guest that hangs must not hide the others. */
const answerMs = 5_000
/** Guests that are asked at once. */
const maxAsked = 16

/** `state`: `stopped` has no guest; of `unreachable` there is one that does not answer. */
type UserGuest<Answer> = { readonly user: UserId } & (
  | { readonly state: 'running'; readonly pid: number; readonly answer: Answer }
  | { readonly state: 'stopped' }
  | { readonly state: 'unreachable'; readonly pid: number; readonly failure: Failure }
)

/** Asks the guest of every user that runs, and starts none. */
async function askUsers<Answer>(
  terminal: Pick<Terminal, 'env' | 'version'>,
  ask: (gateway: GatewayPort) => Promise<Answer>,
): Promise<readonly UserGuest<Answer>[]> {
  const home = openHome(terminal.env)
  const users = [...usersOf(home)].sort()
  const found: UserGuest<Answer>[] = []
  for (let at = 0; at < users.length; at += maxAsked) {
    const some = users.slice(at, at + maxAsked)
    found.push(...(await Promise.all(some.map((user) => askUser(home, user, terminal.version, ask)))))
  }
  return found
}

async function askUser<Answer>(
  home: Home,
  user: UserId,
  version: string,
  ask: (gateway: GatewayPort) => Promise<Answer>,
): Promise<UserGuest<Answer>> {
  const guest = await findGuest(openWorkspace(home, user)).catch(() => null)
  if (guest === null) return { user, state: 'stopped' }
  const { pid } = guest
  const limit = AbortSignal.timeout(answerMs)
  try {
    const gateway = await untilAborted(connect({ url: guest.url, token: guest.token, client: `oxbow-cli ${version}` }), limit)
    try {
      return { user, state: 'running', pid, answer: await untilAborted(ask(gateway), limit) }
    } finally {
      await gateway.close()
    }
  } catch (error) {
    return { user, state: 'unreachable', pid, failure: toFailure(error, 'guest_unreachable', 'See its logs/guest.log.') }
  }
}
