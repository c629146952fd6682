/** Files as a failing disk, an editor that was killed or a stranger leaves them: the host always has something to run with, and says what is wrong. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Config, compareConfigs, flatByText, isWall } from '../../config/index.ts'
import { parseConfig } from '../../services/index.ts'
import { isOxbowError } from '../../base/index.ts'
import { openHome, openWorkspace, parseUser } from '../home.ts'
import { loadConfig } from './config-layers.ts'
import { fileSchema } from './config-text.ts'
import { loadLastGood, rememberGood, safeConfig, textsNow } from './good-config.ts'

const cases = 2_000

/** A generator with a seed, so that a case that fails can be tried again. */
function numbersFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const text = `# mine
only_tighten = ["secrets"]

[model]
provider = "openai"
name = "gpt-4.1-mini"

[agent]
rights = ["file.read", "file.write:/shared/reports"]
instructions = """
Be short.
"""

[approval]
mode = "manual"

[approval.calls]
"file.delete" = "deny"

[budget.user]
tokens = 100_000

[flow.sinks."web.fetch"]
both = "deny"

[[flow.source]]
call = "mail.*"
labels = ["private"]

[egress]
mode = "strict"
allow = ["api.example.com"]
`

function damaged(random: (below: number) => number): Buffer {
  const bytes = Buffer.from(text)
  const kind = random(4)
  if (kind === 0) return bytes.subarray(0, random(bytes.length))
  if (kind === 1) {
    for (let flips = 0; flips <= random(4); flips += 1) {
      const at = random(bytes.length)
      bytes[at] = bytes[at]! ^ (1 << random(8))
    }
    return bytes
  }
  if (kind === 2) return Buffer.from(Array.from({ length: random(400) }, () => random(256)))
  const lines = text.split('\n')
  lines.splice(random(lines.length), 1 + random(3), ...Array.from({ length: random(3) }, () => lines[random(lines.length)]!))
  return Buffer.from(lines.join('\n'))
}

test(`a file that was cut off, flipped, shuffled or is noise, ${cases} times: the host is up, with walls as they were`, () => {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-broken-'))
  try {
    const home = openHome({ OXBOW_HOME: root, OXBOW_MACHINE_CONFIG: join(root, 'none.toml') })
    const place = { home, workspace: openWorkspace(home, parseUser('default')) }
    const file = join(root, 'config.toml')
    writeFileSync(file, text)
    rememberGood(place, { texts: textsNow(place)!, at: 1 })
    const kept = parseConfig(loadConfig(home, place.workspace), 'test')
    const schema = fileSchema()
    const count = { works: 0, fallback: 0, safe: 0 }
    for (let seed = 0; seed < cases; seed += 1) {
      writeFileSync(file, damaged(numbersFrom(seed)))
      let failure: unknown = null
      try {
        loadConfig(home, place.workspace)
        count.works += 1
        continue
      } catch (error) {
        failure = error
      }
      assert.ok(isOxbowError(failure, 'bad_config') && failure.message.includes(file) && failure.hint !== '', `${seed}: ${String(failure)}`)
      const good = loadLastGood(place)
      const runs: Config | null = good ?? safeConfig(place)
      assert.ok(runs !== null, `${seed}: nothing runs`)
      count[good === null ? 'safe' : 'fallback'] += 1
      // What the file says in its place is a person's, and never looser than what was kept.
      const looser = compareConfigs(schema, flatByText(kept), flatByText(runs)).filter(({ is, key }) => is === 'looser' && isWall(key))
      if (good !== null) assert.deepEqual(looser, [], String(seed))
    }
    assert.ok(count.fallback > cases / 3 && count.safe === 0, JSON.stringify(count))
  } finally {
    rmSync(root, { recursive: true })
  }
})
