import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GuestStatus } from '../protocol/index.ts'
import { badgeText, describeChain, describeRecording, isOffline, labelBadges, statusRows } from './status-text.ts'

void test('the model is named with its provider and its fallbacks', () => {
  assert.equal(describeChain({ model: 'openai/gpt-5', fallback: [] }), 'openai/gpt-5')
  const fallback = ['anthropic/claude-haiku-4-5', 'ollama/qwen3:8b']
  assert.equal(describeChain({ model: 'openai/gpt-5', fallback }), 'openai/gpt-5, then anthropic/claude-haiku-4-5, then ollama/qwen3:8b')
  assert.equal(describeChain({ model: 'offline/offline', fallback: [] }), 'offline')
})

void test('the status says whether exchanges are recorded', () => {
  assert.match(describeRecording({ model: 'openai/gpt-5', recording: 'raw' }), /^raw exchanges/)
  assert.match(describeRecording({ model: 'openai/gpt-5', recording: 'parsed' }), /^no raw exchanges/)
  assert.match(describeRecording({ model: 'offline/offline', recording: 'raw' }), /^no exchanges/)
})

void test('the status says whether the guest itself is isolated, in addition to its sandbox', () => {
  const sandbox = {
    asked: 'process',
    tier: 'process',
    provider: 'bubblewrap',
    files: true,
    shell: true,
    problem: null,
    limits: [],
    degraded: [],
  }
  const rows = (more: Partial<GuestStatus>): string =>
    JSON.stringify(statusRows({ model: 'a/b', fallback: [], sandbox, notice: '', read_only: null, ...more } as unknown as GuestStatus, ''))
  assert.match(rows({ isolated: true }), /"isolated","yes: the guest runs in a container of its own/)
  assert.match(rows({ isolated: false }), /"isolated","no: the guest runs as your user/)
  assert.doesNotMatch(rows({}), /isolated/, 'a guest of an older version does not say')
  const lacking = { browser: { why: 'the tier micro_vm does not have', hint: 'Use another.' } }
  const withLack = rows({ sandbox: { ...sandbox, lacking } as unknown as GuestStatus['sandbox'] })
  assert.match(withLack, /"not there","browser, which the tier micro_vm does not have\. Use another\."/)
})

void test('only the interpreter is offline, not a model that has its name', () => {
  assert.ok(isOffline({ model: 'offline/offline' }))
  assert.ok(!isOffline({ model: 'openai/offline' }))
})

void test('the labels of a conversation are shown with their newest origin and the number of others, without control characters', () => {
  const origins = [
    ['private', 'path:/vault/letter.pdf'],
    ['untrusted', 'page:https://example.com/'],
    ['untrusted', 'server:tickets\u001b[31m'],
    ['other', 'path:/x'],
  ]
  const shown = labelBadges({ labels: ['private', 'untrusted'], origins, declassified: [] })
  assert.equal(badgeText(shown), 'private: /vault/letter.pdf · untrusted: server tickets +1')
  assert.deepEqual(shown[1]?.from, ['server tickets', 'https://example.com/'])
  assert.equal(badgeText(labelBadges({ labels: ['private', 'untrusted'], origins: [], declassified: ['private'] })), 'untrusted')
  assert.equal(badgeText(labelBadges({})), '')
})
