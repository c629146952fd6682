import assert from 'node:assert/strict'
import { test } from 'node:test'
import { badgeText, describeChain, describeRecording, isOffline, labelBadges } from './status-text.ts'

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
