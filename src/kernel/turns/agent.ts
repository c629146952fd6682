/** The agent: turns of a lane become processes that the runtime runs. */
import { createCharacter, createMessageCounter, runTurn, type RuntimeDeps, type TurnResult } from '../../runtime/index.ts'
import type { Config, Engine, Sandbox, TurnId } from '../../types/index.ts'
import type { Gate } from '../gate.ts'
import type { LaneTurn } from './lanes.ts'
import { createProcess } from './process.ts'
import type { Registry } from '../registry.ts'
import { processRight } from '../stages/rights.ts'

export interface Agent {
  runTurn(turn: LaneTurn): Promise<TurnResult>
  /** The turn that runs under this id, for the calls that a process makes about its own turn. */
  turn(id: TurnId): LaneTurn | undefined
}

interface AgentDeps {
  readonly config: Config
  readonly engine: Engine
  readonly sandbox: Sandbox
  readonly registry: Registry
  readonly gate: Gate
  readonly newId: () => string
}

export function createAgent({ config, engine, sandbox, registry, gate, newId }: AgentDeps): Agent {
  const turns = new Map<TurnId, LaneTurn>()
  const rights: ReadonlySet<string> = new Set([...config.agent.rights, processRight])
  const actor = `agent:${config.agent.name}`
  const base: Omit<RuntimeDeps, 'facts'> = {
    // A byte is at most one token: a bound that needs no tokenizer.
    toolTokens: Buffer.byteLength(JSON.stringify(registry.tools(rights))),
    counter: createMessageCounter(engine.countTokens),
    maxTurns: config.turn.max_turns,
    providers: [createCharacter({ ...config.agent, surroundings: () => sandbox.status.problem?.message ?? '' })],
    evaluators: [],
  }
  return {
    async runTurn(turn) {
      turns.set(turn.id, turn)
      try {
        const process = createProcess({ gate, registry, newId, rights, actor }, turn)
        return await runTurn(process, { ...base, facts: engine.facts(turn.input.model ?? config.model.name) })
      } finally {
        turns.delete(turn.id)
      }
    },
    turn: (id) => turns.get(id),
  }
}
