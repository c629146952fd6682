/** The scenario that brings a scripted model, in process or on the wire, into each situation of the model contract. */
import type { Scenario } from './scenario.ts'

export const contractScenario: Scenario = {
  turns: [
    { match: 'say', steps: [{ events: [{ text: 'Grüße, 🦬! ' }, { text: 'x', count: 3 }], usage: { input: 7, output: 3 } }] },
    {
      match: 'call',
      steps: [
        {
          events: [
            { reasoning: 'two calls' },
            { tool_call: { name: 'file_read', arguments: { path: 'ä.txt' }, pieces: 4 } },
            { tool_call: { name: 'file_list', arguments: {}, id: 'second' } },
          ],
        },
      ],
    },
    { match: 'fail', steps: [{ events: [{ text: 'half' }, { tool_call: { name: 'file_list', arguments: {} } }, { drop: true }] }] },
    { match: 'hang', steps: [{ events: [{ text: 'so' }, { stall: true }] }] },
  ],
}
