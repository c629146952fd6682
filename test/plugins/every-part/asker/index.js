/** Uses what another plugin has. */
import { definePlugin } from 'oxbow/plugin'

export default definePlugin({
  name: 'asker',
  actions: [
    {
      name: 'ASK',
      description: 'Asks models and a service of the atlas.',
      async handler(runtime) {
        const vector = await runtime.useModel('TEXT_EMBEDDING', { text: 'four' })
        const text = await runtime.useModel('TEXT_LARGE', { prompt: 'hello' })
        const own = await runtime.useModel('TEXT_SMALL', { prompt: 'What is a fjord?' })
        const service = await runtime.call('plugin.service', { plugin: 'atlas', type: 'gazetteer' })
        return { success: true, text: JSON.stringify({ vector, text, own, service: service.text }) }
      },
    },
    {
      name: 'FLOOD',
      description: 'Emits many events.',
      async handler(runtime) {
        await runtime.emit('HOLD')
        for (let sent = 0; sent < 1_200; sent += 100) await Promise.all(Array.from({ length: 100 }, () => runtime.emit('WAVE')))
        return { success: true, text: 'sent' }
      },
    },
  ],
})
