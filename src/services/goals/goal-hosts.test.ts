/** Checks of goals that ask a service of this machine, and goals whose money does not suffice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startSite } from '../../sandbox/egress/web-fixture.ts'
import { builtinCalls } from '../../tools/index.ts'
import { allowing, openGoals, seedWith } from './goal-fixture.ts'

test('a check over HTTP reaches a host that the person allows, and only its status and text count; another host says what to do', async () => {
  const site = await startSite((request, response) => {
    response.statusCode = request.url === '/health' ? 200 : 404
    response.end(request.url === '/health' ? '<b>ok</b>' : 'none')
  })
  await using _ = { [Symbol.asyncDispose]: () => site.close() }
  const calls = builtinCalls({ files: true, shell: true }, { egress: site.egress, robots: 'ignore' })
  const http = (text: string, url: string, more = {}) => ({ text, check: { kind: 'http', url, ...more } })
  const criteria = [
    http('It is healthy.', `${site.url}/health`, { contains: '<b>ok</b>' }),
    http('There is no other page.', `${site.url}/other`, { status: 404 }),
  ]
  const allowed = { ...allowing, egress: { allow: [`site.test:${site.port}`] } }
  await using open = await openGoals({}, { calls, config: allowed })
  const { id } = await open.start('It runs.', { seed: seedWith(criteria) })
  assert.equal((await open.ended(id)).status, 'reached')
  const wrong = await open.start('It runs.', {
    seed: seedWith([http('It says so.', `${site.url}/health`, { contains: 'all is well' })]),
    max_generations: 1,
  })
  const [failed] = (await open.ended(wrong.id)).generations
  assert.deepEqual([failed!.checks[0]!.status, failed!.checks[0]!.evidence], ['failed', 'It answered 200, without the text.'])
  await using closed = await openGoals({}, { calls, config: allowing })
  const refused = await closed.start('It runs.', { seed: seedWith(criteria), max_generations: 1 })
  const { generations, end } = await closed.ended(refused.id)
  assert.equal(generations[0]!.checks[0]!.status, 'error')
  assert.ok(end!.text.includes(`name "site.test:${site.port}" in allow under [egress] in config.toml`), end!.text)
})

test('a number that a command prints counts within its bounds, also by the group of a pattern', async () => {
  const number = (text: string, more: object) => ({ text, check: { kind: 'number', runs: 1, ...more } })
  const criteria = [
    number('Two lines.', { command: 'wc -l < list', at_least: 2, at_most: 2 }),
    number('Half are covered.', { command: 'echo "100 lines, covered: 51.5 %, 3 files"', pattern: 'covered: ([0-9.]+)', at_least: 50 }),
  ]
  await using place = await openGoals({ work: () => [['file_write', { path: '/shared/list', text: 'a\nb\n' }]] })
  const { id } = await place.start('Two lines.', { seed: seedWith(criteria) })
  const { status, generations } = await place.ended(id)
  assert.deepEqual([status, generations[0]!.checks.map(({ evidence }) => evidence)], ['reached', ['It gave 2.', 'It gave 51.5.']])
})

test('where its money does not suffice for what comes next, it ends, and says that it is the money', async () => {
  const priced = { ...allowing, model: { input_price: 1_000_000, output_price: 2_000_000, max_output_tokens: 1_000 } }
  await using place = await openGoals({}, { config: priced })
  const never = seedWith([{ text: 'It is good.', check: null }])
  const { id } = await place.start('Make it good.', { seed: never, budget: { micro_dollars: 1_500 } })
  const goal = await place.ended(id)
  assert.deepEqual([goal.end!.reason, goal.status], ['money', 'ended'], goal.end!.text)
  assert.match(goal.end!.text, /money budget does not cover/)
  assert.ok(goal.spent.micro_dollars <= 1_500)
})
