/**
 * Cards of published agents: who they are, what they can do, where they are reached. They are signed by the runner, whose public key is
 * at `/.well-known/jwks.json`, over the canonical JSON of the specification (8.4). A card also has the fields of version 0.3, which the
 * signature does not cover, because clients of that version do not say which one they speak.
 */
import { createHash } from 'node:crypto'
import { createRecentMap, type JsonObject, OxbowError } from '../../base/index.ts'
import type { A2aConfig, SignedCard } from '../../config/index.ts'
import { keptCards, signTimeoutMs } from '../limits.ts'
import { AgentCard, canonicalizeAgentCard, LegacyRestTransportHandler, ServerCallContext, type A2ARequestHandler } from './sdk.ts'

/** An agent that declares it runs a message once, however often it is sent. */
const repeatableExtension = 'urn:oxbow:a2a:repeatable-messages'

export interface CardDeps {
  readonly agents: A2aConfig['agents']
  readonly version: string
  /** Signs the canonical text of a card, naming where the key is published; absent: cards are not signed. */
  readonly sign?: ((card: string, keyAddress: string) => Promise<SignedCard>) | undefined
}

export interface Cards {
  /** @param origin as clients reach it @throws OxbowError `not_found` */
  card(agent: string, origin: string): Promise<JsonObject>
  /** In the form of version 0.3. */
  legacyCard(agent: string, origin: string): Promise<JsonObject>
  /** The public keys of signatures. */
  keys(origin: string): Promise<JsonObject>
  /** The agent whose card is at the usual address; null: none is published. */
  readonly first: string | null
}

export function createCards({ agents, version, sign }: CardDeps): Cards {
  const [first = null] = Object.keys(agents)
  const made = createRecentMap<string, Promise<JsonObject>>(keptCards)
  const signed = async (card: JsonObject, origin: string): Promise<SignedCard | null> => {
    if (sign === undefined) return null
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(noSigner), signTimeoutMs)
    try {
      return await Promise.race([sign(canonicalizeAgentCard(AgentCard.fromJSON(card)), `${origin}/.well-known/jwks.json`), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }
  const make = async (agent: string, origin: string): Promise<JsonObject> => {
    const card = cardOf(agents, agent, version, origin)
    const { protected: header, signature } = (await signed(card, origin)) ?? {}
    if (header === undefined || signature === undefined) return card
    return { ...card, signatures: [{ protected: header, signature }] }
  }
  const card: Cards['card'] = (agent, origin) => {
    const key = `${agent} ${origin}`
    const before = made.get(key)
    if (before !== undefined) return before
    const making = make(agent, origin)
    made.put(key, making)
    making.catch(() => made.delete(key))
    return making
  }
  return {
    first,
    card,
    async legacyCard(agent, origin) {
      const own = AgentCard.fromJSON(await card(agent, origin))
      // The one way of the SDK to write a card of that version.
      const handler = { getAgentCard: async () => own, getAuthenticatedExtendedAgentCard: async () => own } as unknown as A2ARequestHandler
      return (await new LegacyRestTransportHandler(handler).getAuthenticatedExtendedAgentCard(
        new ServerCallContext(),
      )) as unknown as JsonObject
    },
    async keys(origin) {
      const found = first === null ? null : await signed(cardOf(agents, first, version, origin), origin)
      return { keys: found === null ? [] : [found.key] }
    },
  }
}

/** A card without its signature would look like a changed one. */
const noSigner = new OxbowError('guest_unreachable', 'The card cannot be signed: the runner does not answer.', {
  hint: 'Restart the guest.',
})

function cardOf(agents: A2aConfig['agents'], agent: string, version: string, origin: string): JsonObject {
  const published = Object.hasOwn(agents, agent) ? agents[agent] : undefined
  if (published === undefined)
    throw new OxbowError('not_found', `There is no published agent ${JSON.stringify(agent.slice(0, 50))}.`, {
      hint: 'The owner publishes agents under [a2a.agents] in config.toml.',
    })
  const { description, skills } = published
  const url = `${origin}/a2a/${agent}`
  const shown = skills.length > 0 ? skills : [{ id: agent, name: agent, description, tags: ['agent'], examples: [] }]
  return {
    name: agent,
    description,
    // What changes the card changes the version.
    version: `${version}+${createHash('sha256').update(JSON.stringify(published)).digest('hex').slice(0, 8)}`,
    supportedInterfaces: [
      { url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
      { url: `${url}/rest`, protocolBinding: 'HTTP+JSON', protocolVersion: '1.0' },
      { url, protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
    ],
    capabilities: {
      streaming: true,
      pushNotifications: true,
      extensions: [
        { uri: repeatableExtension, description: 'A message that is sent again, with its id, is not run again.', required: false },
      ],
    },
    securitySchemes: { key: { httpAuthSecurityScheme: { scheme: 'Bearer', description: 'An API key with the right task.send.' } } },
    securityRequirements: [{ schemes: { key: { list: [] } } }],
    defaultInputModes: ['text/plain', 'application/json', 'image/png', 'image/jpeg', 'application/pdf'],
    defaultOutputModes: ['text/plain'],
    skills: shown.map((skill) => ({ ...skill })),
    // For clients of version 0.3.
    url,
    preferredTransport: 'JSONRPC',
    protocolVersion: '0.3.0',
  }
}

/** @returns whether a client that sends this version gets a card of version 0.3 */
export function isLegacyVersion(version: unknown): boolean {
  return typeof version === 'string' && /^0\.[0-3](?:\.|$)/.test(version)
}
