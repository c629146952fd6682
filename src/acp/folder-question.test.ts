/** Editors that work in a folder which agents do not see yet. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { says } from '../kernel/kernel-fixture.ts'
import { OxbowError } from '../base/index.ts'
import { choose, openEditor } from './acp-fixture.ts'

void describe('a folder that agents do not see', () => {
  void it('is asked about with the first message, and then named', async () => {
    const sent: string[] = []
    const play = (request: { messages: readonly unknown[] }) => (sent.push(JSON.stringify(request.messages.at(-1))), says('Yes.'))
    const host = { restart: async () => {} } as never
    await using editor = await openEditor({ play, host })
    const id = await editor.begin('/home/ada/other')
    assert.equal(await editor.say(id, 'Hello'), 'end_turn')
    assert.match(editor.asked[0]!.toolCall.title!, /change everything in \/home\/ada\/other/)
    assert.match(sent[0]!, /works in the folder \/shared\/added\./)
    await editor.say(id, 'Again')
    assert.equal(editor.asked.length, 1)
  })

  void it('refuses the message where agents cannot see it, also when it is on the list, and tries again with the next', async () => {
    let problem: OxbowError | null = new OxbowError('sandbox_missing', 'the folder is not visible', { hint: 'See docs/versions.md.' })
    const sent: string[] = []
    const play = (request: { messages: readonly unknown[] }) => (sent.push(JSON.stringify(request.messages.at(-1))), says('Yes.'))
    const showFolder = async (): Promise<void> => {
      if (problem !== null) throw problem
    }
    await using editor = await openEditor({ play, ports: { showFolder } })
    for (const folder of ['/home/ada/project', '/home/ada/other']) {
      problem ??= new OxbowError('sandbox_missing', 'the folder is not visible', { hint: 'See docs/versions.md.' })
      const id = await editor.begin(folder)
      await assert.rejects(editor.say(id, 'Hello'), /not visible/)
      assert.deepEqual(sent.splice(0), [])
      problem = null
      assert.equal(await editor.say(id, 'Hello'), 'end_turn')
      assert.match(sent.splice(0)[0]!, /works in the folder \/shared\//)
    }
  })

  void it('stays unseen where the person says no, and the conversation goes on', async () => {
    await using editor = await openEditor({ permit: () => choose('reject') })
    const id = await editor.begin('/home/ada/other')
    assert.equal(await editor.say(id, 'Hello'), 'end_turn')
    assert.equal(editor.of('tool_call_update').at(-1)?.status, 'failed')
    assert.notEqual(editor.text(), '')
  })
})
