import { definePlugin } from 'oxbow/plugin'

const hello = {
  name: 'hello',
  description: 'Greets somebody by name.',
  parameters: { type: 'object', properties: { who: { type: 'string' } }, required: ['who'], additionalProperties: false },
  // Changes nothing, so it can be repeated.
  effect: 'none',
  async handler(runtime, message, state, { parameters }) {
    return { success: true, text: `Hello, ${parameters.who}!` }
  },
}

export default definePlugin({
  name: 'x',
  actions: [hello],
  // `oxbow plugin test x` runs these in its sandbox.
  tests: [
    {
      name: 'hello',
      tests: [
        {
          name: 'greets by name',
          async fn(runtime) {
            const { text } = await hello.handler(runtime, null, {}, { parameters: { who: 'Ann' } })
            if (text !== 'Hello, Ann!') throw new Error(`It says ${text}`)
          },
        },
      ],
    },
  ],
})
