// A plugin with an action that changes something, one that reads, a provider, and tests that `oxbow plugin test notes` runs.
import { definePlugin } from 'oxbow/plugin'

// Its manifest asks for memory "own": memories with this tag are all that it can reach.
const tags = ['plugin.notes']

const keep = {
  name: 'keep',
  description: 'Keeps a short note.',
  parameters: { type: 'object', properties: { text: { type: 'string', maxLength: 500 } }, required: ['text'], additionalProperties: false },
  async handler(runtime, message, state, { parameters }) {
    const outcome = await runtime.call('memory.save', { content: parameters.text, tags })
    // A call that is refused says why, and what would allow it.
    if (outcome.status !== 'ok') return { success: false, text: outcome.failure.message }
    return { success: true, text: `Kept: ${parameters.text}`, values: { newest_note: parameters.text } }
  },
}

async function search(runtime, query) {
  const outcome = await runtime.call('memory.search', { query, tags })
  return outcome.status === 'ok' ? outcome.text : ''
}

const find = {
  name: 'find',
  description: 'Finds notes by what they are about.',
  parameters: { type: 'object', properties: { about: { type: 'string' } }, required: ['about'], additionalProperties: false },
  // Changes nothing: after a crash it may run again.
  effect: 'none',
  handler: async (runtime, message, state, { parameters }) => ({ success: true, text: await search(runtime, parameters.about) }),
}

const reminder = {
  name: 'notes',
  description: 'Notes that fit the message.',
  position: 50,
  async get(runtime, message) {
    const lines = (await search(runtime, message.text)).split('\n').filter((line) => line !== '')
    const shown = lines.slice(0, Number(runtime.getSetting('shown')))
    return shown.length === 0 ? {} : { text: `Notes:\n${shown.join('\n')}` }
  },
}

export default definePlugin({
  name: 'notes',
  actions: [keep, find],
  providers: [reminder],
  tests: [
    {
      name: 'notes',
      tests: [
        {
          name: 'are reminded of up to the number that is set',
          async fn(runtime) {
            const shown = runtime.getSetting('shown')
            const outcome = { status: 'ok', ok: true, text: 'a\nb\nc\nd\ne', output: null, failure: null }
            const fake = { ...runtime, call: async () => outcome, getSetting: () => shown }
            const { text } = await reminder.get(fake, { text: 'anything' })
            const lines = text.split('\n').length - 1
            if (lines !== Math.min(5, shown)) throw new Error(`It shows ${lines} notes.`)
          },
        },
      ],
    },
  ],
})
