/**
 * A program that changes keys until it is killed, as `oxbow store rekey` and `oxbow secret rotate --data` do, in one process so that a
 * kill ends everything at once: `node rotation-to-kill.ts HOME`. It says a line when it begins and after each change.
 */
import { beginKeyChange, endKeyChange, makeMasterKeys } from '../../src/runner/index.ts'
import { answerKeys } from '../../src/store/index.ts'
import { systemClock } from '../../src/base/index.ts'
import { keyPlace, storePlace } from './key-places.ts'

const root = process.argv[2] ?? ''
const place = keyPlace(root)
const deps = { place: storePlace(root), clock: systemClock }
const said = (word: string): void => void process.stdout.write(`${word}\n`)
for (;;) {
  said('begun')
  await answerKeys({ ask: 'change_master' }, { ...deps, masters: beginKeyChange(place) })
  endKeyChange(place)
  said('changed')
  await answerKeys({ ask: 'rotate_data' }, { ...deps, masters: makeMasterKeys(place) })
  said('rotated')
}
