/** The cost of history: a turn in a long session compared with one in a short session, and the audit of the journal. */
import { setTimeout as pause } from 'node:timers/promises'
import { parseConfig, verifyJournal } from '../../src/services/index.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import type { SessionId } from '../../src/base/index.ts'
import type { Config } from '../../src/config/index.ts'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, figure, ms, perSecond, type Row } from '../report.ts'
import { median } from '../statistics.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { benchUser, type BenchGuestOptions, makeWorkspace, startGuest, type Workspace } from '../subjects/guest.ts'
import { fillJournal, type LongJournal, paragraph } from '../subjects/long-journal.ts'

/** Turns in a short session before the next one is used: messages 10 to 18. */
const turnsPerShortSession = 4
/** The work behind a turn takes less. */
const backgroundMs = 250
/** A window that ten messages fill, so that both sides send the same amount. */
const window = { context_tokens: 2_048, max_output_tokens: 256 }
const agent = { rights: [] as string[] }
/** Indexing is off: a guest that has just started would index the whole filled journal during the measured turns. */
const unindexed: Config['memory'] = parseConfig({ memory: { recall: false, index_messages: false } }, 'the bench').memory

export const history: Measure = {
  name: 'history',
  title: 'History',
  how: 'The journal is filled with copies of a real turn. Turns alternate between the long session and short ones whose window is as full; cold is the first turn of a session after a start of the guest, which then indexes nothing. The audit reads the same journal.',
  async run(context) {
    const { plan, programs, modelUrl } = context
    using workspace = makeWorkspace()
    const options: BenchGuestOptions = { program: programs.usual, workspace, modelUrl, config: { model: window, agent } }
    const shortSessions = Math.ceil(plan.historyTurns / turnsPerShortSession) + (plan.coldStarts + 1) * 2 + 2
    const journal = await fillJournal(options, { longMessages: plan.longMessages, shortSessions })
    const short = [...journal.short]
    const cold = await measureCold({ ...options, config: { ...options.config, memory: unindexed } }, journal, short, plan.coldStarts)
    const warm = await measureWarm(options, journal, short, plan.historyTurns)
    return [...compare('warm', warm, context), ...compare('cold', cold, context), await measureAudit(workspace)]
  },
}

interface Pair {
  readonly short: number[]
  readonly long: number[]
}

async function measureWarm(options: BenchGuestOptions, journal: LongJournal, short: SessionId[], turns: number): Promise<Pair> {
  await using guest = await startGuest(options)
  using terminal = await guest.connect()
  const seen: Pair = { short: [], long: [] }
  await terminal.follow(journal.long, journal.records)
  await timedTurn(terminal, journal.long)
  for (let i = 0; i < turns; i += turnsPerShortSession) {
    const session = short.pop()!
    await terminal.follow(session, journal.records)
    await timedTurn(terminal, session)
    for (let k = 0; k < turnsPerShortSession; k++) {
      seen.short.push(await timedTurn(terminal, session))
      seen.long.push(await timedTurn(terminal, journal.long))
    }
    await terminal.unfollow(session)
  }
  return seen
}

/**
 * Each start gives one sample of each kind; the tokenizer and the code are warmed in another session first. The first start does not count:
 * the long session has no summary before it. Summaries are made behind a turn, so each turn waits for the end of those.
 */
async function measureCold(options: BenchGuestOptions, journal: LongJournal, short: SessionId[], starts: number): Promise<Pair> {
  const seen: Pair = { short: [], long: [] }
  for (let i = -1; i < starts; i++) {
    await using guest = await startGuest(options)
    using terminal = await guest.connect()
    const warming = short.pop()!
    await terminal.follow(warming, journal.records)
    for (let k = 0; k < 10; k++) await timedTurn(terminal, warming)
    const measure = async (kind: keyof Pair, session: SessionId): Promise<void> => {
      await terminal.follow(session, journal.records)
      await pause(backgroundMs)
      const took = await timedTurn(terminal, session)
      if (i >= 0) seen[kind].push(took)
    }
    const order: [keyof Pair, SessionId][] = [
      ['short', short.pop()!],
      ['long', journal.long],
    ]
    for (const [kind, session] of i % 2 === 0 ? order : order.reverse()) await measure(kind, session)
  }
  return seen
}

async function timedTurn(terminal: GatewayClient, session: SessionId): Promise<number> {
  const began = performance.now()
  await terminal.turn(session, paragraph)
  return performance.now() - began
}

function compare(kind: string, { short, long }: Pair, { plan }: BenchContext): readonly Row[] {
  const share = median(long) / median(short)
  const what = `turn at message ${figure(plan.longMessages)}, ${kind}, p50`
  const measured = `${ms(median(long))}, ${share >= 1 ? '+' : '−'}${Math.abs(Math.round((share - 1) * 100))} %`
  const beside = `at message 10: ${ms(median(short))}`
  return kind === 'warm'
    ? [bounded(what, measured, beside, '± 20 %', share <= 1.2 && share >= 0.8)]
    : [bounded(what, measured, beside, '≤ 1.5 ×', share <= 1.5)]
}

async function measureAudit(workspace: Workspace): Promise<Row> {
  const store = await openSqliteStore({ path: workspace.database, user: benchUser, durability: 'normal', readOnly: true })
  try {
    const { seq } = await store.head()
    const began = performance.now()
    const report = await verifyJournal(store, { seal: null })
    const rate = (seq / (performance.now() - began)) * 1000
    const { ok: isWhole, first_bad: bad, projections } = report
    // The sessions of the copied past have no records that give them their titles and lanes.
    const ok = isWhole || (bad === null && projections.every((line) => /another title|its lane is missing/.test(line)))
    return bounded(
      `audit verify of ${figure(seq)} records${ok ? '' : ' (found bad)'}`,
      perSecond(rate),
      '',
      '> 100 000/s',
      ok && rate > 100_000,
    )
  } finally {
    await store.close()
  }
}
