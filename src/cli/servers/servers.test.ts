import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { mcpServer } from '../../config/index.ts'
import { loadServerPrograms } from '../../runner/index.ts'
import { settingsOf } from './servers.ts'

const { settingsIn } = await loadServerPrograms()

describe('settings of servers in a file of another program', () => {
  const file = JSON.stringify({
    mcpServers: {
      files: { type: 'stdio', command: 'node', args: ['index.js', '${ROOT}'], env: { KEY: '${API_KEY}', OTHER: '${X:-none}' } },
      tickets: { type: 'http', url: 'https://mcp.example.com/mcp', headers: { authorization: 'Bearer ${TOKEN}' } },
    },
  })

  it('are read by name, with secrets as Oxbow names them', () => {
    assert.deepEqual(settingsIn(file, 'files'), {
      command: 'node',
      args: ['index.js', '$ROOT'],
      env: { KEY: '$API_KEY', OTHER: '$X' },
    })
    assert.equal(mcpServer.parse(settingsIn(file, 'tickets')).headers['authorization'], 'Bearer $TOKEN')
  })

  it('are refused with a hint when they are not there, or no JSON', () => {
    for (const [text, name] of [
      [file, 'absent'],
      ['{', 'files'],
      ['[]', 'files'],
      ['{"mcpServers": {"files": 1}}', 'files'],
    ] as const)
      assert.throws(() => settingsIn(text, name), { code: 'bad_input' })
  })

  it('are refused with the path of a file that is not there, or a folder', async () => {
    const refused = (from: string) => settingsOf('files', [], { from, user: 'default' })
    const [absent, folder] = [join(import.meta.dirname, 'absent.json'), import.meta.dirname]
    await assert.rejects(refused(absent), { code: 'not_found', message: `${absent} cannot be read` })
    await assert.rejects(refused(folder), { code: 'bad_input', message: `${folder} is not a file` })
  })
})
