/**
 * The real guest with one fault: it kills itself before or after its n-th write. Between two writes nothing becomes durable,
 * so these are all the states in which a crash can leave a journal.
 *
 *   node faulty-guest.ts serve before:7
 *   node faulty-guest.ts serve after:2:parked    counts from the first record of this phase
 */
import type { Append, Store } from '../../src/store/index.ts'
import { serve } from '../support/serve.ts'

const [side, place, fromPhase = ''] = (process.argv[3] ?? '').split(':')

/** SIGKILL to oneself is delivered before the next statement runs. */
const die = (): void => void process.kill(process.pid, 'SIGKILL')

function dying(store: Store): Store {
  let counts = fromPhase === ''
  let left = Number(place)
  const faulty =
    <Args extends readonly unknown[], Result>(write: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      if (counts) left -= 1
      const last = counts && left === 0
      if (last && side === 'before') die()
      const result = await write(...args)
      if (last) die()
      return result
    }
  const append = faulty(store.append)
  return Object.assign(Object.create(store) as Store, {
    append(wanted: Append) {
      counts ||= wanted.records.some((record) => record.phase === fromPhase)
      return append(wanted)
    },
    putBlob: faulty(store.putBlob),
    claimLane: faulty(store.claimLane),
  })
}

await serve({ wrapStore: dying })
