import assert from 'node:assert/strict'
import { test } from 'node:test'
import { providerTable } from './model-text.ts'

void test('providers are listed with how many models each has, and with how to see these', () => {
  const text = providerTable([{ provider: 'openai' }, { provider: 'anthropic' }, { provider: 'openai' }])
  assert.match(text, /^PROVIDER +MODELS\nopenai +2\nanthropic +1\n\noxbow models PROVIDER/)
})
