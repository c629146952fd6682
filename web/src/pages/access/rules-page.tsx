/** Learned rules: what a person has allowed for good, so that it is no longer asked about. */
import { ListChecks } from 'lucide-react'
import type { ReactNode } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { exactText, revokeRule } from '../../../../src/terminal/index.ts'
import { Link, navigate, type PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { SayingPage } from '../../shelf/said.tsx'
import { Shelf } from '../../shelf/shelf.tsx'
import { Codes, Thing, whoText } from '../../shelf/thing.tsx'
import { Facts, Time } from '../../ui/layout.tsx'
import { Empty } from '../../ui/states.tsx'

type Rule = OutputOf<'approval.rules'>[number]

const listEveryMs = 30_000

export default function RulesPage({ place }: PageProps): ReactNode {
  const rules = useCall('approval.rules', {}, { refreshOn: ['approval_*'], everyMs: listEveryMs })
  return (
    <SayingPage title="Learned rules" intro="What you have allowed for good with “Always…”: such calls run without asking you.">
      <Shelf
        place={place}
        page="/rules"
        label="Learned rules"
        noun="rule"
        call={rules}
        entries={rules.data?.map((rule) => ({
          id: rule.id,
          title: exactText(rule.text),
          note: rule.session === '' ? 'in every session' : 'in one session',
          state: stateOf(rule),
        }))}
        empty={
          <Empty title="You are asked about every call that needs it." icon={<ListChecks />}>
            “Always…” at a question keeps a rule, word for word as it is shown there. It then stands here, and can be revoked.
          </Empty>
        }
      >
        {(id) => <RuleThing shown={rules.data!.find((rule) => rule.id === id)!} refresh={rules.refresh} />}
      </Shelf>
    </SayingPage>
  )
}

const stateOf = ({ applies }: Rule): readonly [string, 'good' | 'neutral'] =>
  applies ? ['applies', 'good'] : ['does not apply', 'neutral']

function RuleThing({ shown, refresh }: { readonly shown: Rule; readonly refresh: () => void }): ReactNode {
  const { id, text, call, session, labels, by, at, applies } = shown
  return (
    <Thing
      title={exactText(text)}
      state={stateOf(shown)}
      why={applies ? '' : 'It was learned under other settings, or every call is asked about now.'}
      actions={
        <DeedButton
          deed={revokeRule(text)}
          verb="Revoke"
          act={(run) => run('approval.revoke', { rule: id })}
          onDone={() => {
            navigate('/rules')
            refresh()
          }}
        />
      }
    >
      <Facts
        facts={[
          ['Learned', <LearnedBy key="by" at={at} by={by} />],
          [
            'From the call',
            <Link key="call" to={`/journal?call=${encodeURIComponent(call)}`}>
              Show it in the journal
            </Link>,
          ],
          [
            'Where',
            session === '' ? (
              'in every session'
            ) : (
              <Link key="session" to={`/chat/${session}`}>
                in this session
              </Link>
            ),
          ],
          ['Also with data that is', <Codes key="labels" of={labels} none="neither private nor untrusted" />],
        ]}
      />
    </Thing>
  )
}

function LearnedBy({ at, by }: { readonly at: number; readonly by: string }): ReactNode {
  return (
    <>
      <Time at={at} /> from {whoText(by)}
    </>
  )
}
