import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Command } from 'commander'
import type { JsonObject } from '../base/index.ts'
import type { ServiceVerb } from '../protocol/index.ts'
import { addFields, argumentsOf, fieldsOf, inputOf } from './verb-fields.ts'

const schema: JsonObject = {
  properties: {
    scope: { type: 'string', description: 'Whose it is.' },
    timeout_s: { type: 'integer', minimum: 10, maximum: 86_400, default: 600, description: 'Seconds after which it ends.' },
    grace_s: { anyOf: [{ type: 'integer', minimum: 1, maximum: 100 }, { type: 'null' }] },
    micro_dollars: { type: 'integer' },
    rights: { type: 'array', items: { type: 'string' } },
    keep: { type: 'boolean', default: false },
    answer: {},
    env: { type: 'object', additionalProperties: { type: 'string' } },
    inputs: { type: 'object', additionalProperties: {} },
    cadence: { oneOf: [{ properties: { at: { type: 'string' } } }, { properties: { every_s: { type: 'integer', minimum: 1 } } }] },
  },
  required: ['scope', 'cadence'],
}
const verb: ServiceVerb = {
  words: 'try it <scope> <note...>',
  summary: '',
  examples: [],
  call: 'x',
  typed: {
    note: { field: '' },
    '--right <right>': 'rights',
    '--every <seconds>': 'cadence.every_s',
    '--days <days>': { field: 'grace_s', unit: 10 },
    '--max-tokens <n>': 'budget.tokens',
    '--env <name=value>': 'env',
    '--set <field=value>': 'inputs',
    '--wait <seconds>': { field: '' },
  },
}

interface Read {
  readonly input: JsonObject
  readonly words: object
}

function read(args: readonly string[], of: ServiceVerb = verb): Read {
  const fields = fieldsOf(of, schema)
  const command = new Command('it').exitOverride().configureOutput({ writeErr: () => {} })
  addFields(command, fields)
  let found: Read | undefined
  command.action((...given: unknown[]) => {
    found = { input: inputOf(fields, given, command.opts()), words: argumentsOf(fields, given) }
  })
  command.parse([...args], { from: 'user' })
  return found!
}

test('options follow from the schema: their names, defaults and help', () => {
  const command = new Command('it')
  addFields(command, fieldsOf(verb, schema))
  const help = command.helpInformation()
  for (const flags of ['--timeout <seconds>', '--money <dollars>', '--keep', '--answer <json>', '--right <right>'])
    assert.ok(help.includes(flags), flags)
  assert.match(help, /seconds after which it ends \(default: 600\)/)
  assert.match(help, /scope +whose it is\n/)
  assert.doesNotMatch(help, /--rights|--cadence|--scope/)
})

test('what is typed becomes the input: times, money, lists, nested fields', () => {
  const args = [
    'user',
    'two',
    'words',
    '--timeout',
    '2h',
    '--money',
    '0.5',
    '--right',
    'a',
    '--right',
    'b',
    '--every',
    '15m',
    '--days',
    '3',
  ]
  const { input, words } = read([...args, '--answer', 'not json'])
  assert.deepEqual(input, {
    scope: 'user',
    timeout_s: 7_200,
    micro_dollars: 500_000,
    rights: ['a', 'b'],
    cadence: { every_s: 900 },
    grace_s: 30,
    answer: 'not json',
  })
  assert.deepEqual(words, { note: ['two', 'words'] })
  assert.deepEqual(read(['user', 'x', '--answer', '[1]']).input['answer'], [1])
})

test('names with values become fields, as texts or as JSON where the schema allows it', () => {
  const { input } = read(['user', 'x', '--env', 'A=b=c', '--env', 'N=1', '--set', 'n=1', '--set', 'text=one', '--wait', '2m'])
  assert.deepEqual(
    [input['env'], input['inputs']],
    [
      { A: 'b=c', N: '1' },
      { n: 1, text: 'one' },
    ],
  )
  assert.equal('wait' in input, false)
})

test('a value outside of what the schema allows is refused where it is typed', () => {
  const refused: readonly (readonly string[])[] = [
    ['--timeout', '5'],
    ['--timeout', '2d'],
    ['--timeout', 'soon'],
    ['--days', '11'],
    ['--money', '-1'],
    // It would become 0, which is no limit.
    ['--money', '0.0000001'],
    ['--money', '1e-400'],
    ['--money', '0x10'],
    ['--env', '=x'],
    ['--set', 'x'],
    ['--wait', 'soon'],
  ]
  for (const args of refused) assert.throws(() => read(['user', 'x', ...args]), /is invalid\. Give /, args.join(' '))
})

test('fields that are fixed or left out have no option', () => {
  const names = fieldsOf({ ...verb, fixed: { keep: true }, omit: ['answer', 'micro_dollars'] }, schema).map(({ usage }) => usage)
  for (const usage of ['--keep', '--answer <json>', '--money <dollars>']) assert.ok(!names.includes(usage), usage)
  assert.equal(fieldsOf({ ...verb, omit: true }, schema).length, 9)
})

test('a default that is typed in another unit is what the schema has', () => {
  const asMinutes: ServiceVerb = { ...verb, typed: { ...verb.typed, '--timeout <minutes>': { field: 'timeout_s', unit: 60 } } }
  const fields = fieldsOf(asMinutes, schema)
  const command = new Command().exitOverride()
  addFields(command, fields)
  command.parse(['user', 'x'], { from: 'user' })
  assert.equal(command.opts()['timeout'], 10)
  assert.equal(inputOf(fields, command.args, command.opts())['timeout_s'], 600)
})
