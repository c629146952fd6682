/** A serving guest's questions to its runner: lines out on stdout, replies in on stdin. */
import { isObject, toError, toFailure } from '../base/index.ts'
import type { HostedPlugin, NewestHead } from '../protocol/index.ts'
import type {
  ConfigProposal,
  ConfigState,
  DefinitionText,
  GuestEnvelope,
  GuestReport,
  HostFolders,
  HostPort,
  HostQuestion,
  HostReply,
  HostSkillFile,
  HostSkills,
  SignedCard,
} from '../config/index.ts'
import { answerKeyQuestion, withStoredSecrets } from './guest-store.ts'

/** After the answer to the call that restarts the guest, so that its terminal receives it. */
const restartDelayMs = 150

interface HostAnswers {
  readonly config: ConfigState
  readonly propose: ConfigProposal
  readonly envelope: GuestEnvelope
  readonly newest_head: NewestHead | null
  readonly definitions: readonly DefinitionText[]
  readonly plugins: readonly HostedPlugin[]
  readonly folders: HostFolders
  readonly skills: HostSkills
  readonly skill_files: readonly HostSkillFile[]
  readonly sign_card: SignedCard
}

export interface HostLink {
  ask<const Question extends HostQuestion>(question: Question): Promise<HostAnswers[Question['ask']]>
  /** @param line from the runner; any other text is ignored */
  receive(line: string): void
}

export function createHostLink(report: (report: GuestReport) => void): HostLink {
  const waiting = new Map<number, PromiseWithResolvers<never>>()
  let lastId = 0
  return {
    ask(question) {
      const answer = Promise.withResolvers<never>()
      waiting.set((lastId += 1), answer)
      report({ type: 'ask', id: lastId, question })
      return answer.promise
    },
    receive(line) {
      const reply = parseReply(line)
      if (reply === null) return
      const answer = waiting.get(reply.id)
      waiting.delete(reply.id)
      if ('failure' in reply) answer?.reject(toError(reply.failure))
      else answer?.resolve(reply.output as never)
    },
  }
}

/** The runner is trusted; a line of another version is not understood. */
function parseReply(line: string): HostReply | null {
  try {
    const value: unknown = JSON.parse(line)
    return isObject(value) && value['type'] === 'answer' ? (value as unknown as HostReply) : null
  } catch {
    return null
  }
}

export interface HostPortDeps {
  readonly link: HostLink
  readonly envelope: GuestEnvelope
  /** Restarts the guest. @param onFailure receives what the new configuration fails with; the guest then runs with the previous one */
  readonly renew: (envelope: GuestEnvelope, onFailure: (error: unknown) => void) => Promise<void>
}

export function createHostPort({ link, envelope, renew }: HostPortDeps): HostPort {
  let problem = ''
  return {
    config: () => link.ask({ ask: 'config' }),
    propose: (draft) => link.ask({ ask: 'propose', draft, save: false }),
    save: (draft, base) => link.ask({ ask: 'propose', draft, save: true, base }),
    async setSecret(name, value) {
      const { masterKeys = [] } = await link.ask({ ask: 'envelope', masters: true })
      const question = value === null ? { ask: 'remove' as const, name } : { ask: 'set' as const, name, value }
      return (await answerKeyQuestion(question, { ...envelope, masterKeys })).changed > 0
    },
    async restart() {
      const next = await withStoredSecrets(await link.ask({ ask: 'envelope', masters: false }))
      setTimeout(() => {
        problem = ''
        void renew(next, (error) => void (problem = toFailure(error, 'internal_failure', '').message))
      }, restartDelayMs)
    },
    newestHead: () => link.ask({ ask: 'newest_head' }),
    definitions: () => link.ask({ ask: 'definitions' }),
    plugins: () => link.ask({ ask: 'plugins' }),
    folders: () => link.ask({ ask: 'folders' }),
    skills: () => link.ask({ ask: 'skills' }),
    skillFiles: ({ place, agent, folder }) => link.ask({ ask: 'skill_files', place, agent, folder }),
    signCard: (card, keyAddress) => link.ask({ ask: 'sign_card', card, key_address: keyAddress }),
    restartProblem: () => problem,
  }
}
