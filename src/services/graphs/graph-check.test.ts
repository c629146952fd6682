import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { createSchemaChecker } from '../../tools/index.ts'
import { checkGraph } from './graph-check.ts'
import { type GraphProblem, parseGraph, problemText } from './graph-definition.ts'
import { maxGraphNodes } from './limits.ts'

const schemas = createSchemaChecker()
after(() => schemas.close())

async function problemsOf(source: string): Promise<readonly GraphProblem[]> {
  const { graph, problems } = await parseGraph(source)
  return graph === null ? problems : checkGraph(graph, { schemas })
}

async function refused(source: string, reason: RegExp): Promise<void> {
  const problems = await problemsOf(source)
  assert.match(problems.map(problemText).join('\n'), reason)
  for (const { hint } of problems) assert.notEqual(hint, '')
}

const end = '\n[nodes.done]\ntype = "end"\n'
const call = (name: string, rest: string): string => `\n[nodes.${name}]\ntype = "call"\ncall = "file.read"\n${rest}\n`

const whole = `
start = "list"
inputs = ["folder"]
[state.folder]
type = "string"
default = "/shared"
[state.files]
type = "array"
items = { type = "string" }
default = []
[state.file]
type = "string"
[state.text]
type = "string"
[state.texts]
type = "array"
[nodes.list]
type = "call"
call = "file.list"
input = { path = "\${folder}" }
save = { files = "output.names" }
retries = 2
edges = [{ when = { field = "files", exists = true }, to = "each" }]
else = "done"
[nodes.each]
type = "map"
over = "files"
as = "file"
to = "read"
join = "all"
[nodes.read]
type = "call"
call = "file.read"
input = { path = "\${folder}/\${file}" }
save = { text = "text" }
next = "all"
[nodes.all]
type = "join"
collect = { texts = "text" }
next = "ask"
[nodes.ask]
type = "ask"
question = "Again? \${texts.0}"
max_visits = 3
save = { text = "answer" }
edges = [{ when = { and = [{ field = "text", eq = "yes" }, { field = "visits.ask", lt = 3 }] }, to = "list" }]
else = "done"
${end}`

void test('a whole graph passes', async () => {
  assert.deepEqual(await problemsOf(whole), [])
})

void test('what cannot run is refused, with what to do', async () => {
  const cases: readonly (readonly [source: string, reason: RegExp])[] = [
    ['start = "a"\n[nodes.a]\ntype = "call"\ncall = "x.y"\nnext = "a"', /no end/],
    [`start = "a"${call('a', 'next = "b"')}${end}`, /leads to b, which is no node/],
    [`start = "a"${call('a', 'next = "done"')}${call('lost', 'next = "done"')}${end}`, /nodes\.lost: cannot be reached/],
    [`start = "a"${call('a', 'next = "b"')}${call('b', 'next = "a"')}${end}`, /cycle without `max_visits`|leads to no end/],
    [`start = "a"${call('a', '')}${end}`, /leads nowhere/],
    [`start = "a"${call('a', 'edges = [{ when = { field = "error", exists = true }, to = "done" }]')}${end}`, /no `else`/],
    [`start = "a"${call('a', 'next = "done"\nelse = "done"')}${end}`, /as well as/],
    [`start = "a"${call('a', 'next = "done"\nscript = "rm -rf /"')}${end}`, /script/],
    [`start = "a"\nshell = "x"${call('a', 'next = "done"')}${end}`, /shell/],
    [`start = "a"${call('a', 'next = "done"\ninput = { path = "${nowhere}" }')}${end}`, /no such state field/],
    [`start = "a"${call('a', 'next = "done"\ninput = { path = "${1+1}" }')}${end}`, /no reference/],
    [`start = "a"${call('a', 'next = "done"\nsave = { visits = "text" }')}${end}`, /visits/],
    [`start = "a"${call('a', 'next = "done"\nsave = { other = "text" }')}${end}`, /sets other/],
    [`start = "a"${call('a', 'next = "done"\nretries = 11')}${end}`, /retries/],
    [`start = "a"${call('a', 'edges = [{ when = { field = "error", matches = "(" }, to = "done" }]\nelse = "done"')}${end}`, /pattern/],
    [`start = "a"\n[state.x]\ntype = "string"\ndefault = 3${call('a', 'next = "done"')}${end}`, /default/],
    [`start = "a"\n[state.x]\ntype = "sting"${call('a', 'next = "done"')}${end}`, /state\.x/],
    [`start = "a"\n[state.x]\n"$ref" = "https://example.com/x"${call('a', 'next = "done"')}${end}`, /state\.x/],
    [
      `start = "a"\n[nodes.a]\ntype = "map"\nbranches = ["b"]\njoin = "done"${call('b', 'next = "done"')}${end}`,
      /join done, which is of another type/,
    ],
    [
      `start = "a"\n[nodes.a]\ntype = "map"\nbranches = ["b"]\njoin = "j"\n[nodes.j]\ntype = "join"\nnext = "done"${call('b', 'next = "done"')}${end}`,
      /inside and outside|ends the run inside/,
    ],
    [`start = "a"${call('a', 'next = "j"')}\n[nodes.j]\ntype = "join"\nnext = "done"${end}`, /join of no map/],
    ['start = [', /TOML/],
    ['', /start|nodes/],
  ]
  for (const [source, reason] of cases) await refused(source, reason)
})

void test('a cycle with a limit of visits passes, the same one without it does not', async () => {
  const loop = `start = "a"${call('a', 'max_visits = 3\nnext = "b"')}${call('b', 'edges = [{ when = { field = "error", exists = true }, to = "a" }]\nelse = "done"')}${end}`
  assert.deepEqual(await problemsOf(loop), [])
  await refused(loop.replace('max_visits = 3\n', ''), /cycle/)
})

void test('too many nodes, a text of 10 MB and a deep one are refused in a moment', async () => {
  const many = Array.from({ length: maxGraphNodes + 1 }, (_, i) => call(`n${i}`, `next = "n${i + 1}"`)).join('')
  await refused(`start = "n0"${many}${end}`, /more than 100 nodes/)
  await refused(`start = "a"\ndescription = "${'x'.repeat(10_000_000)}"`, /KiB/)
  await refused(`start = ${'['.repeat(20_000)}`, /TOML|nests/)
  await refused(`start = ${'['.repeat(200)}${']'.repeat(200)}`, /nests|TOML/)
})

void test('whatever the text is, it is judged and nothing is thrown', async () => {
  const lines = whole.split('\n').filter((line) => line !== '')
  const mutated = fc
    .tuple(fc.array(fc.nat(lines.length - 1), { minLength: 1, maxLength: 6 }), fc.constantFrom('drop', 'double', 'shuffle', 'cut'))
    .map(([at, how]) => {
      const changed = [...lines]
      for (const i of at) {
        const line = changed[i] ?? ''
        if (how === 'drop') changed[i] = ''
        else if (how === 'double') changed[i] = `${line}\n${line}`
        else if (how === 'cut') changed[i] = line.slice(0, line.length / 2)
        else changed[i] = changed[(i * 7) % changed.length] ?? ''
      }
      return changed.join('\n')
    })
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ maxLength: 200 }), mutated), async (source) => {
      assert.ok(Array.isArray(await problemsOf(source)))
    }),
    { numRuns: 150 },
  )
})
