/**
 * Sends one part of a delivery, once. That it begins is on record before, what the platform says of it after; where the end of an earlier attempt
 * is not known, the platform is asked, and where it cannot tell, whoever sends decides: a placeholder may be sent again, a content may not.
 */
import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Random } from '../base/index.ts'
import type { Delivery, Guest } from './gateway.ts'
import type { Pacing } from './pacing.ts'
import type { ChannelAdapter, ChatRef, Sent } from './port.ts'
import { believedHolds } from './limits.ts'
import { retryMs, waitable } from './retries.ts'

/** Why a delivery ends before it was delivered. */
export class Undelivered extends Error {
  readonly state: 'dead' | 'lost'

  constructor(state: 'dead' | 'lost', why: string) {
    super(why)
    this.name = 'Undelivered'
    this.state = state
  }
}

export interface SendingDeps {
  readonly guest: Pick<Guest, 'attempt' | 'sent'>
  readonly adapter: ChannelAdapter
  readonly pacing: Pacing
  readonly random: Random
  readonly signal: AbortSignal
}

/** Where a delivery goes. */
export const chatOf = ({ space, chat, thread }: Delivery): ChatRef => ({ space, chat, thread })

/** A delivery that answers a message is in a group, where that is shown. */
const isInGroup = ({ reply_to: answered }: Delivery): boolean => answered !== ''

/** By which a part is found on platforms that keep it. */
const intentOf = (delivery: string, part: number): string => createHash('sha256').update(`${delivery}\n${part}`).digest('hex').slice(0, 32)

/**
 * @param isRepeatable a second one harms nothing, such as a placeholder
 * @returns its id on the platform @throws Undelivered, the reason of the signal
 */
export async function sendOnce(
  deps: SendingDeps,
  delivery: Delivery,
  part: number,
  isRepeatable: boolean,
  request: (intent: string) => Promise<Sent>,
): Promise<string> {
  const { guest, adapter } = deps
  const intent = intentOf(delivery.id, part)
  const before = await guest.attempt(delivery.id, part)
  if (before !== null && before.id !== '') return before.id
  const tell = async (id: string): Promise<string> => {
    await guest.sent({ delivery: delivery.id, part, id })
    return id
  }
  const look = (near: number): Promise<Sent> => adapter.find(chatOf(delivery), intent, near, deps.signal)
  if (before !== null) {
    const found = await look(before.at)
    if (found.ok) return tell(found.id)
    if (found.why === 'unknown' && !isRepeatable) throw new Undelivered('lost', 'whether it has arrived is not known')
  }
  const sent = await untilSent(
    deps,
    delivery,
    () => request(intent),
    async () => {
      const found = await look(Date.now())
      return found.ok || found.why === 'absent' || !isRepeatable ? found : null
    },
  )
  return tell(sent)
}

/** Repeats an edit until it is done. */
export async function editUntilDone(deps: SendingDeps, delivery: Delivery, request: () => Promise<Sent>): Promise<void> {
  await untilSent(deps, delivery, request, async () => null)
}

/** @param onUnknown looks for what may have arrived; null: it may be repeated */
async function untilSent(
  { pacing, random, signal }: SendingDeps,
  delivery: Delivery,
  request: () => Promise<Sent>,
  onUnknown: () => Promise<Sent | null>,
): Promise<string> {
  for (let [failures, holds] = [0, 0]; ;) {
    await pacing.turn(chatOf(delivery), isInGroup(delivery), signal)
    const sent = await request()
    if (sent.ok) return sent.id
    if (sent.why === 'throttled') {
      holds += 1
      const least = holds > believedHolds ? retryMs(holds - believedHolds, random) : 0
      pacing.hold(chatOf(delivery), Math.max(waitable(sent.retryAfterMs), least))
      continue
    }
    if (sent.why === 'unknown') {
      const found = await onUnknown()
      if (found !== null) {
        if (found.ok) return found.id
        if (found.why === 'unknown') throw new Undelivered('lost', 'whether it has arrived is not known')
      }
    } else if (sent.why !== 'absent' && sent.why !== 'revoked') throw new Undelivered('dead', sent.message)
    failures += 1
    signal.throwIfAborted()
    await sleep(retryMs(failures, random), undefined, { signal })
  }
}
