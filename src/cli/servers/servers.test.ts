import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mcpServer } from '../../config/index.ts'
import { settingsIn } from './servers.ts'

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
})
