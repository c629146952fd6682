/** `docs/transports.md`, from the list of requirements that the contract test runs. */
import { requirements, type Requirement, transports } from '../../test/contract/requirements.ts'
import { code, page, table } from './markdown.ts'

const titles = {
  websocket: 'WebSocket',
  http: 'HTTP',
  openai: 'OpenAI',
  mcp: 'MCP',
  'in-process': 'in process',
} as const satisfies Record<(typeof transports)[number], string>

export function transportPage(): string {
  const all: readonly Requirement[] = requirements
  const rows = all.map(({ id, sentence, on }) => [code(id), sentence, ...transports.map((each) => (on.includes(each) ? 'yes' : 'no'))])
  const exceptions = all.flatMap(({ id, on, elsewhere = '' }) => {
    const without = transports.filter((each) => !on.includes(each)).map((each) => titles[each])
    return without.length === 0 ? [] : [`- ${code(id)} does not hold over ${without.join(', ')}. ${elsewhere}`]
  })
  return page(
    '# Transports',
    'Five ways lead to a guest: the WebSocket of terminals and of the browser, the [HTTP API](http-api.md), the interfaces of OpenAI, [MCP](mcp-server.md), and the kernel’s interface for code in the same process. `test/contract/transports.full.test.ts` runs each requirement over each transport that has a “yes”, against one real guest.',
    table(['requirement', 'what holds', ...transports.map((each) => titles[each])], rows),
    exceptions.join('\n'),
  )
}
