/** Keys are changed by a program that is killed at moments that nobody chose: every secret opens afterwards, and the change can be ended. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { beginKeyChange, endKeyChange, makeMasterKeys } from '../../src/runner/index.ts'
import { answerKeys, openSqliteStore, storedSecrets } from '../../src/store/index.ts'
import { isOxbowError, systemClock } from '../../src/base/index.ts'
import { keyPlace, storePlace } from './key-places.ts'

const program = fileURLToPath(new URL('./rotation-to-kill.ts', import.meta.url))
/** More than one part of a rotation. */
const secrets = 110
const names = Array.from({ length: secrets }, (_, at) => `SECRET_${at}`)
const valueOf = (name: string): string => `planted-${name}`
/** Parts of a whole round at which the program dies; the last ones in its second round. */
const moments = [0.05, 0.2, 0.4, 0.6, 0.8, 1.3]

async function run(root: string, killAfterMs: number | null): Promise<number> {
  const child = spawn(process.execPath, [program, root], { stdio: ['ignore', 'pipe', 'inherit'] })
  const gone = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })
  let began = 0
  let roundMs = 0
  lines.on('line', (line) => {
    if (line === 'begun' && began === 0) {
      began = performance.now()
      if (killAfterMs !== null) setTimeout(() => child.kill('SIGKILL'), killAfterMs)
    } else if (line === 'rotated' && killAfterMs === null) {
      roundMs = performance.now() - began
      child.kill('SIGKILL')
    }
  })
  await gone
  lines.close()
  return roundMs
}

for (const encrypted of [false, true]) {
  test(`a change of keys that is killed loses no secret and no store (${encrypted ? 'an encrypted file' : 'a plain file'})`, async () => {
    const root = mkdtempSync(join(tmpdir(), 'oxbow-rotation-'))
    try {
      const place = keyPlace(root)
      const at = storePlace(root)
      const store = await openSqliteStore({ path: at.file, user: at.user, durability: 'normal' })
      await store.opened()
      await store.close()
      const deps = { place: at, clock: systemClock }
      const masters = makeMasterKeys(place)
      for (const name of names) await answerKeys({ ask: 'set', name, value: valueOf(name) }, { ...deps, masters })
      if (encrypted) await answerKeys({ ask: 'encrypt' }, { ...deps, masters })
      const roundMs = await run(root, null)
      for (const moment of moments) {
        await run(root, roundMs * moment)
        const found = await storedSecrets(names, { ...deps, masters: makeMasterKeys(place) })
        assert.deepEqual(
          names.filter((name) => found[name] !== valueOf(name)),
          [],
          `killed at ${moment} of a round`,
        )
      }
      // What was cut off is ended by the same command; then the key of before opens nothing, and no draft of a key is left.
      const before = makeMasterKeys(place)
      const dead = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
      await once(dead, 'exit')
      writeFileSync(join(root, 'runner', 'keys', `ada.json.${dead.pid}`), 'a draft')
      await answerKeys({ ask: 'change_master' }, { ...deps, masters: beginKeyChange(place) })
      endKeyChange(place)
      await assert.rejects(storedSecrets(names, { ...deps, masters: [before[0] ?? ''] }), (error) => isOxbowError(error))
      assert.equal(Object.keys(await storedSecrets(names, { ...deps, masters: makeMasterKeys(place) })).length, secrets)
      assert.deepEqual(readdirSync(join(root, 'runner', 'keys')), ['ada.json'])
      assert.equal(readFileSync(join(root, 'runner', 'keys', 'ada.json'), 'utf8').includes('next'), false)
    } finally {
      rmSync(root, { recursive: true })
    }
  })
}
