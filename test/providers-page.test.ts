/** docs/providers.md: every cell of its table stands on tests that exist, and every example can be used as it is written. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { parse as parseToml } from 'smol-toml'
import { findService, readModelName } from '../src/engine/services.ts'
import { builtinProviders } from '../src/config/index.ts'
import { parseConfig } from '../src/services/index.ts'
import { type CaseName, caseNames } from './conformance/streams/answers.ts'
import { subjects } from './conformance/subjects.ts'

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8')
const page = read('docs/providers.md')
const wires = subjects.map(({ wire }) => wire.name)

interface NamedTest {
  readonly file: string
  readonly name: string
}

/** By their numbers. */
const named: ReadonlyMap<string, NamedTest> = new Map(
  Array.from(page.matchAll(/^(\d+)\. `([^`]+)`: (.+)$/gm), ([, number = '', file = '', name = '']) => [number, { file, name }]),
)

interface Cell {
  readonly feature: string
  readonly wire: string
  readonly text: string
  readonly tests: readonly string[]
}

function cellsOf(table: string): Cell[] {
  const [head = [], , ...rows] = table.split('\n').map((line) => line.split('|').map((cell) => cell.trim()).slice(1, -1)) // prettier-ignore
  return rows.flatMap(([feature = '', ...cells]) =>
    cells.map((text, place) => ({
      feature,
      wire: (head[place + 1] ?? '').replaceAll('`', ''),
      text,
      tests: Array.from(text.matchAll(/\[(\d+)\]/g), ([, number = '']) => number),
    })),
  )
}

const cells = cellsOf(/^\| feature[^]*?(?=\n\n)/m.exec(page)?.[0] ?? '')

/** Names of the tests of a file; where one is filled in, any text may stand. */
function titlesIn(file: string): RegExp[] {
  const calls = read(file).matchAll(/\b(?:it|test|check)\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g)
  return Array.from(calls, ([, single, double, template]) => {
    const title = (single ?? double ?? template ?? '').replaceAll('\\', '')
    const escaped = title.split(/\$\{[^}]+\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    return new RegExp(`^${escaped.join('.+')}$`)
  })
}

void describe('the page about model services', () => {
  void test('has a table of every wire in which each cell has a test', () => {
    assert.deepEqual([...new Set(cells.map(({ wire }) => wire))], wires)
    assert.ok(cells.length >= 20 * wires.length)
    const bare = cells.filter(({ tests }) => tests.length === 0 || tests.some((number) => !named.has(number)))
    assert.deepEqual(bare, [])
  })

  void test('names only tests that exist, and uses all it names', () => {
    const lost = [...named.values()].filter(({ file, name }) => !titlesIn(file).some((title) => title.test(name)))
    assert.deepEqual(lost, [])
    const used = new Set(cells.flatMap(({ tests }) => tests))
    assert.deepEqual(
      [...named.keys()].filter((number) => !used.has(number)),
      [],
    )
  })

  void test('agrees with the table of recorded streams', () => {
    const prefix = 'are parsed correctly: '
    let compared = 0
    const wrong = cells.flatMap(({ feature, wire, text, tests }) => {
      const cases = tests.map((number) => named.get(number)?.name ?? '').filter((name) => name.startsWith(prefix))
      compared += cases.length
      return cases.flatMap((name) => {
        const stream = name.slice(prefix.length)
        if (!caseNames.includes(stream as CaseName)) return [`${feature}: there is no stream ${stream}`]
        const can = !('cannot' in subjects.find((subject) => subject.wire.name === wire)!.streams[stream as CaseName])
        const says = !/^not in the protocol|^the same as/.test(text)
        return can === says ? [] : [`${feature}: ${wire}`]
      })
    })
    assert.ok(compared > 0, 'no test of a recorded stream is named')
    assert.deepEqual(wrong, [])
  })

  void test('lists the built-in providers with wire and variables', () => {
    const rows = Array.from(page.matchAll(/^\| `([\w-]+)` *\| `([\w-]+)` *\| (.*?) *\|$/gm), ([, id, wire, keys]) => [id, wire, keys])
    const expected = Object.entries(builtinProviders).map(([id, { wire, keyEnv }]) => [
      id,
      wire,
      keyEnv.map((name) => `\`${name}\``).join(', ') || 'none',
    ])
    assert.deepEqual(rows, expected)
  })

  void test('has valid example configurations, of services that are discovered', () => {
    const examples = Array.from(page.matchAll(/```toml\n([^]*?)```/g), ([, text = '']) => text)
    assert.ok(examples.length >= 8)
    for (const text of examples) {
      const config = parseConfig(parseToml(text), text)
      const services = { config, env: keysIn(text) }
      const profiles = Object.values(config.model.profiles).map(({ model }) => model)
      for (const name of [...(config.model.name === '' ? [] : ['']), ...config.model.fallback, ...profiles]) {
        const { provider, model } = readModelName(name, services)
        const service = findService(provider, services)
        assert.equal(`${provider}/${model}`, name === '' ? config.model.name : name)
        assert.ok(service.baseUrl !== null || service.packageName !== '', text)
        const own = Object.keys(config.providers[provider]?.models ?? {})
        assert.ok(own.length === 0 || own.includes(model), `${model} is the model of ${text}`)
      }
    }
  })
})

/** The variables that an example needs, and the usual ones, all set. */
function keysIn(text: string): Record<string, string> {
  const usual = Object.values(builtinProviders).flatMap(({ keyEnv }) => keyEnv)
  const own = Array.from(text.matchAll(/\$(\w+)|_env = "(\w+)"/g), ([, header, key]) => header ?? key ?? '')
  return Object.fromEntries([...usual, ...own].map((name) => [name, 'secret']))
}
