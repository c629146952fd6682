/** Spaces under bad names, at bad moments and on other machines, by the program that people start. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openCli } from './spaces-fixture.ts'

const cli = openCli()
after(cli.remove)
const { oxbow, ran, root, sharedOf } = cli

const workspaces = (): readonly string[] => readdirSync(join(root, 'users')).toSorted()

test('what cannot be the name of a space makes nothing, wherever a space is named', () => {
  const before = workspaces()
  // Control characters, look-alikes, paths, capitals, and what means something to a program.
  const bad = [
    '..',
    '.',
    '/',
    'a/b',
    '../default',
    'Taxes',
    'ｔaxes',
    'tаxes',
    'ta\u202exes',
    'ta\u0007xes',
    'ta xes',
    '-x',
    '__proto__',
    'a~b',
    'a'.repeat(10_000),
  ]
  for (const name of bad) {
    const { exit, err } = oxbow('space', 'new', '--', name)
    assert.equal(exit, 2, `space new ${name.slice(0, 40)}: ${err}`)
    assert.match(err, /cannot be the name of a space/)
    assert.ok(err.length < 500 && !err.includes('\u0007') && !err.includes('\u202e'), 'the name is cut and escaped')
    assert.notEqual(oxbow('config', 'get', 'model.name', `--space=${name}`).exit, 0)
  }
  assert.match(oxbow('config', 'get', 'model.name', '--space', 'nowhere').err, /there is no space "nowhere"/)
  assert.match(oxbow('secret', 'list', '--space', 'nowhere').err, /there is no space "nowhere"/)
  assert.deepEqual(workspaces(), before)
  // Names of what every object has.
  for (const name of ['constructor', 'tostring', 'hasownproperty']) {
    ran('space', 'new', name)
    assert.equal(oxbow('space', 'new', name).exit, 2)
  }
  ran('config', 'set', 'sandbox.memory_mb', '2048', '--space', 'constructor')
  assert.match(ran('config', 'get', 'sandbox.memory_mb', '--space', 'constructor'), /2048/)
  assert.doesNotMatch(ran('config', 'get', 'sandbox.memory_mb'), /2048/)
  assert.match(ran('space', 'use', 'constructor'), /work in the space constructor/)
  assert.match(ran('space', 'list', '--json'), /"space":"constructor","user":"default~constructor","in_use":true/)
  assert.match(ran('status'), /space +constructor/)
  assert.match(ran('completion', 'bash', '--values', 'space list:space'), /^constructor$/m)
  ran('space', 'use', 'default')
  assert.match(ran('help', 'space'), /keep projects apart/)
})

test('a space is not archived while its guest runs, and opens for nothing while it is', () => {
  ran('space', 'new', 'attic')
  ran('memory', 'add', 'The stuffed owl is in the attic.', '--space', 'attic')
  ran('start', '--space', 'attic')
  assert.match(oxbow('space', 'archive', 'attic').err, /Oxbow runs in the space attic/)
  ran('stop', '--space', 'attic')
  ran('space', 'use', 'attic')
  ran('space', 'archive', 'attic')
  // It was in use: the default one is, from now on.
  assert.match(ran('space', 'list', '--json'), /"space":"default","user":"default","in_use":true/)
  for (const verb of [['run', 'hello'], ['start'], ['memory', 'search', 'owl'], ['serve']])
    assert.match(oxbow(...verb, '--space', 'attic').err, /is archived/)
  assert.match(oxbow('space', 'use', 'attic').err, /is archived/)
  assert.match(oxbow('space', 'merge', 'attic', '--to', 'default', '--yes').err, /is archived/)
  ran('space', 'restore', 'attic')
  assert.match(ran('memory', 'search', 'owl', '--space', 'attic'), /stuffed owl/)
})

test('an exported space is brought back on another machine, with what is in it and nothing of another space', () => {
  ran('space', 'new', 'garden')
  ran('memory', 'add', 'The medlar stands in the garden.', '--space', 'garden')
  ran('memory', 'add', 'The anvil stands in the smithy.')
  writeFileSync(join(sharedOf('garden'), 'plan.txt'), 'medlar')
  const file = join(root, 'garden.oxbow-backup')
  ran('space', 'export', 'garden', file)
  const other = openCli()
  try {
    const { exit, out, err } = other.oxbow('restore', file, '--space', 'garden')
    assert.equal(exit, 0, out + err)
    assert.match(other.ran('memory', 'search', 'medlar', '--space', 'garden'), /The medlar stands/)
    assert.ok(existsSync(join(other.sharedOf('garden'), 'plan.txt')))
    assert.match(other.ran('space', 'list'), /garden/)
    for (const space of ['garden', 'default']) assert.doesNotMatch(other.ran('memory', 'search', 'anvil', '--space', space), /smithy/)
  } finally {
    other.remove()
  }
})

test('a space comes back into a home in use without a change to what that home is, and into its own', () => {
  ran('space', 'new', 'orchard')
  ran('config', 'set', 'sandbox.memory_mb', '2048')
  ran('config', 'set', 'sandbox.memory_mb', '3072', '--space', 'orchard')
  ran('memory', 'add', 'The quince stands in the orchard.', '--space', 'orchard')
  const file = join(root, 'orchard.oxbow-backup')
  assert.match(ran('space', 'export', 'orchard', file), /not in it: config\.toml, .*oxbow backup --space default/)
  const other = openCli()
  try {
    other.ran('config', 'set', 'sandbox.memory_mb', '1024')
    const made = join(other.root, 'tidy')
    other.ran('program', 'new', made)
    other.ran('program', 'install', made, '--yes')
    const { exit, out, err } = other.oxbow('restore', file, '--space', 'orchard', '--key', join(root, 'runner', 'signing-key.pem'))
    assert.equal(exit, 0, out + err)
    assert.match(other.ran('memory', 'search', 'quince', '--space', 'orchard'), /The quince stands/)
    assert.match(other.ran('config', 'get', 'sandbox.memory_mb'), /1024/)
    assert.match(other.ran('config', 'get', 'sandbox.memory_mb', '--space', 'orchard'), /3072/)
    assert.match(other.ran('program', 'list'), /^tidy/m)
    // Without a key nothing proves who has made the backup; what is installed here stays.
    other.ran('restore', file, '--space', 'orchard', '--replace')
    assert.match(other.ran('program', 'list'), /^tidy/m)
  } finally {
    other.remove()
  }
  ran('config', 'set', 'sandbox.memory_mb', '4096')
  ran('restore', file, '--space', 'orchard', '--replace')
  assert.match(ran('config', 'get', 'sandbox.memory_mb'), /4096/)
})

test('the persona of a session answers in it where it is moved; an imported file chooses nobody', () => {
  for (const name of ['before', 'behind']) ran('space', 'new', name)
  ran('persona', 'new', 'dev')
  const { session } = JSON.parse(ran('run', 'hello there', '--space', 'before', '--json')) as { session: string }
  ran('persona', 'use', 'dev', '--session', session, '--space', 'before')
  const answering = (space: string): unknown => {
    const [row] = ran('sessions', '--space', space, '--json').split('\n').filter(Boolean)
    return (JSON.parse(row!) as { agent?: string }).agent
  }
  assert.equal(answering('before'), 'dev')
  const file = join(root, 'session.json')
  ran('sessions', 'export', session, '--output', file, '--space', 'before')
  ran('space', 'move', session, '--from', 'before', '--to', 'behind', '--yes')
  assert.equal(answering('behind'), 'dev')
  const imported = oxbow('sessions', 'import', file, '--space', 'before')
  assert.match(imported.err, /dev answered in it\. .*oxbow persona use dev --session/)
  assert.equal(answering('before'), undefined)
  // One that is not there any more: the move is whole, and says so.
  ran('persona', 'edit', 'dev', '--disable')
  const [moved] = ran('sessions', '--space', 'behind', '--json').split('\n')
  const back = oxbow('space', 'move', (JSON.parse(moved!) as { id: string }).id, '--from', 'behind', '--to', 'before', '--yes')
  assert.equal(back.exit, 0, back.err)
  assert.match(back.err, /dev does not answer in the moved session/)
})

test('a space has a cap of its own, and another space goes on', () => {
  ran('space', 'new', 'capped')
  assert.match(ran('space', 'budget', 'capped', '2.50', '--per', 'day'), /day: \$0\.00 of \$2\.50/)
  assert.match(ran('budget', 'list', '--space', 'capped'), /user.*day/)
  assert.match(ran('budget', 'list'), /No budgets were set/)
  assert.match(ran('space', 'budget', 'capped'), /have spent \$0\.00\.\nday/)
  assert.doesNotMatch(ran('space', 'budget', 'default'), /day/)
  ran('budget', 'set', 'user', '--calls', '1', '--space', 'capped')
  assert.match(oxbow('run', 'read plan.txt', '--space', 'capped').err, /budget/i)
  ran('run', 'hello')
  assert.equal(oxbow('space', 'budget', 'nowhere', '5').exit, oxbow('space', 'use', 'nowhere').exit)
  for (const amount of ['-1', 'much', 'NaN']) assert.equal(oxbow('space', 'budget', 'capped', '--', amount).exit, 2, amount)
})

test('a damaged list of spaces is reported and led around; without it the spaces are found again', () => {
  const list = join(root, 'runner', 'spaces', 'default.json')
  writeFileSync(list, '{"current":')
  assert.match(oxbow('space', 'list').err, /the list of spaces .* is damaged/)
  ran('config', 'get', 'model.name')
  rmSync(list)
  for (const name of ['default', 'garden', 'attic', 'constructor']) assert.match(ran('space', 'list'), new RegExp(name))
})

test('a home of before spaces is one with the default space', () => {
  const other = openCli()
  try {
    other.ran('memory', 'add', 'The old clock is slow.')
    rmSync(join(other.root, 'runner', 'spaces'), { recursive: true, force: true })
    assert.match(other.ran('space', 'list', '--json'), /"space":"default","user":"default","in_use":true/)
    other.ran('space', 'new', 'first')
    assert.match(other.ran('memory', 'search', 'clock'), /old clock/)
    assert.doesNotMatch(other.ran('memory', 'search', 'clock', '--space', 'first'), /old clock/)
  } finally {
    other.remove()
  }
})
