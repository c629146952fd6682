/** What an agent has said of a task: hostile, repeated, late and endless events. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import type { RemoteEvent, RemotePart } from './a2a-client.ts'
import { maxArtifacts, maxEvents } from './limits.ts'
import { createTaskFold } from './task-fold.ts'

const text = (words: string): RemotePart => ({ kind: 'text', text: words })
const event = (more: Partial<RemoteEvent>): RemoteEvent => ({
  task: 't1',
  context: '',
  state: null,
  message: [],
  artifacts: [],
  append: false,
  whole: false,
  isReply: false,
  ...more,
})
const open = () => createTaskFold({ task: '', context: '' })

test('pieces of an artifact are one text; an artifact that is sent anew replaces the one before', () => {
  const fold = open()
  fold.take(event({ artifacts: [{ id: 'a', parts: [text('Hel')] }] }))
  fold.take(event({ artifacts: [{ id: 'a', parts: [text('lo')] }], append: true }))
  assert.equal(fold.progress(), 'lo')
  assert.equal(fold.result().text, 'Hello')
  fold.take(event({ artifacts: [{ id: 'a', parts: [text('Bye')] }] }))
  assert.equal(fold.result().text, 'Bye')
})

test('what follows the end, and what belongs to another task, changes nothing', () => {
  const fold = open()
  fold.take(event({ state: 'working' }))
  fold.take(event({ task: 't2', state: 'completed', message: [text('not mine')] }))
  assert.deepEqual([fold.task(), fold.isOver()], ['t1', false])
  fold.take(event({ state: 'failed', message: [text('no')] }))
  fold.take(event({ state: 'completed', message: [text('yes')] }))
  assert.deepEqual([fold.isEnded(), fold.result().state, fold.result().text], [true, 'failed', 'no'])
})

test('a question is an end of the wait, and no end of the task', () => {
  const fold = open()
  fold.take(event({ state: 'input_required', message: [text('Which one?')] }))
  assert.deepEqual([fold.isOver(), fold.isEnded(), fold.result().text], [true, false, 'Which one?'])
  fold.take(event({ state: 'completed', artifacts: [{ id: 'a', parts: [text('Done.'), { kind: 'value', value: { n: 1 } }] }] }))
  assert.deepEqual(fold.result().value, { n: 1 })
  assert.equal(fold.result().text, 'Done.\n{"n":1}')
})

test('a whole task read anew replaces its artifacts and is no progress', () => {
  const fold = open()
  fold.take(event({ artifacts: [{ id: 'a', parts: [text('old')] }] }))
  fold.take(event({ whole: true, artifacts: [{ id: 'b', parts: [text('new')] }] }))
  assert.deepEqual([fold.progress(), fold.result().text], ['', 'new'])
})

test('an agent that floods, or names its task by something unprintable, is refused', () => {
  const flooding = (act: () => void): void =>
    assert.throws(act, (error) => isOxbowError(error, 'limit_reached') && error.data?.['hostile'] === true)
  flooding(() => {
    const fold = open()
    for (let count = 0; count <= maxEvents; count++) fold.take(event({}))
  })
  flooding(() => {
    const fold = open()
    for (let count = 0; count <= maxArtifacts; count++) fold.take(event({ artifacts: [{ id: `${count}`, parts: [text('x')] }] }))
  })
  assert.throws(
    () => open().take(event({ task: 'a\u001b[2Jb' })),
    (error) => isOxbowError(error, 'tool_failed'),
  )
})
