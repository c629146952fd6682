import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { answered, formOf, formText, pairsIn, promptCall } from './question-form.ts'

const input = {
  server: 'tickets',
  mode: 'form',
  message: 'Which project?\u001b[2J',
  schema: {
    type: 'object',
    properties: {
      project: { type: 'string', title: 'Project' },
      size: { type: 'integer', default: 3 },
      kinds: { type: 'array', items: { enum: ['a', 'b'] } },
      state: { type: 'string', enum: ['open', 'closed'] },
    },
    required: ['project'],
  },
  answer: { size: 3 },
}
const form = formOf({ name: 'server.elicit', input: JSON.stringify(input) })!

describe('a form of a server', () => {
  it('is shown with its server, and with nothing that a terminal would obey', () => {
    const text = formText(form)
    assert.match(text, /^The server tickets asks: Which project\?/)
    assert.ok(!text.includes('\u001b'))
    assert.match(text, /project \(string, required\): Project\n {2}size \(integer, default 3\)\n/)
    assert.match(text, /state \(string, one of open closed\)/)
  })

  it('is answered by field=value, and keeps what is filled in', () => {
    assert.deepEqual(pairsIn('project=a, b, size=5'), ['project=a, b', 'size=5'])
    assert.equal(pairsIn('yes'), null)
    const { answer } = answered(form, ['project=oxbow', 'kinds=a,b'])
    assert.deepEqual(answer, { size: 3, project: 'oxbow', kinds: ['a', 'b'] })
    assert.deepEqual(answered(form, ['project=x', 'size=5'])['answer'], { project: 'x', size: 5 })
    assert.throws(() => answered(form, ['other=1']), { code: 'bad_input' })
  })

  it('is no other call, and no address', () => {
    assert.equal(formOf({ name: 'shell.exec', input: JSON.stringify(input) }), null)
    assert.equal(formOf({ name: 'server.elicit', input: JSON.stringify({ ...input, mode: 'url' }) }), null)
    assert.equal(formOf({ name: 'server.elicit', input: '{' }), null)
  })
})

describe('a prompt of a server', () => {
  it('is named by its server and its name, with values of its arguments', () => {
    assert.deepEqual(promptCall(['tickets', 'triage', 'project=a=b']), [
      'mcp.tickets.prompt_get',
      { prompt: 'triage', values: { project: 'a=b' } },
    ])
    for (const words of [[], ['tickets'], ['Tickets', 'x'], ['tickets', 'x', 'novalue']])
      assert.throws(() => promptCall(words), { code: 'bad_input' })
  })
})
