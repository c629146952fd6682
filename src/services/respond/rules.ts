/** The rules by which a message is answered or not, in their order. Pure. */
import type { TurnDecision, TurnSource } from '../../protocol/index.ts'
import { plural } from '../../base/index.ts'
import { isQuiet } from '../quiet-hours.ts'
import type { RespondConfig } from './config.ts'

/** What was decided in the session before. */
export interface EarlierDecisions {
  /** Messages of bots that were answered since a person wrote last. */
  readonly bots: number
  /** Nothing is answered until a message is addressed to the agent. */
  readonly stopped: boolean
}

/** A message as the rules see it. */
interface AskedMessage {
  readonly source: TurnSource
  readonly session: string
  readonly at: number
  readonly earlier: EarlierDecisions
}

/** @returns what the rules say; null: a model is to say it */
export function decideByRules({ source, session, at, earlier }: AskedMessage, rules: RespondConfig): TurnDecision | null {
  const { kind, bot = false, channel, chat, command, mention, reply } = source
  const names = [session, ...(channel === undefined ? [] : [channel, `${channel}:${chat ?? ''}`])]
  const muted = names.find((name) => rules.muted.includes(name))
  if (muted !== undefined) return says('ignore', `muted: ${muted} (respond.muted)`)
  const isQuietNow = rules.quiet !== undefined && isQuiet(at, rules.quiet)
  if (bot && isQuietNow) return says('ignore', 'a bot in quiet hours (respond.quiet)')
  if (bot && earlier.bots >= rules.max_bot_turns)
    return says('stop', `a loop of bots: ${plural(earlier.bots, 'message')} answered without a person (respond.max_bot_turns)`)
  if (kind === 'direct') return says('respond', bot ? 'direct, from a bot' : 'direct')
  if (command === true) return says('respond', 'command')
  if (isQuietNow) return says('ignore', 'quiet hours (respond.quiet)')
  if (mention === true) return says('respond', 'mention')
  if (reply === true) return says('respond', 'reply')
  if (rules.group === 'addressed' || bot) return says('ignore', 'not addressed to the agent (respond.group)')
  if (earlier.stopped) return says('ignore', 'the agent stays out of this chat until it is addressed')
  return rules.group === 'all' ? says('respond', 'a group that is answered (respond.group)') : null
}

function says(action: TurnDecision['action'], reason: string): TurnDecision {
  return { action, by: 'rule', reason }
}
