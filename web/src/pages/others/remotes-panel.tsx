/** Remote agents that speak A2A: what their cards say, and which card a person has approved. */
import { Globe, Plus, Power } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { approveOffer, cardLines, exactText, removeRemote } from '../../../../src/terminal/index.ts'
import { Link, navigate, type Place } from '../../app/router.tsx'
import { useAction, useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { FormDialog, LinesField, linesOf, otherName, OtherNameField, pairsOf, useForm } from '../../shelf/form-dialog.tsx'
import { ReviewButton } from '../../shelf/review-button.tsx'
import { useSay } from '../../shelf/said.tsx'
import { type Entry, openAt, Shelf } from '../../shelf/shelf.tsx'
import { Codes, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { Facts } from '../../ui/layout.tsx'
import { Empty, ProblemLine } from '../../ui/states.tsx'
import { TextDiff } from '../../ui/text-diff.tsx'

type Remote = OutputOf<'remote.list'>['remotes'][number]
type Diff = OutputOf<'remote.diff'>

const page = '/others/remotes'
const listEveryMs = 20_000

export function RemotesPanel({ place }: { readonly place: Place }): ReactNode {
  const remotes = useCall('remote.list', {}, { everyMs: listEveryMs })
  const [isAdding, setAdding] = useState(false)
  return (
    <>
      <div>
        <Button variant="primary" icon={<Plus />} onClick={() => setAdding(true)}>
          Add a remote agent
        </Button>
      </div>
      <Shelf
        place={place}
        page={page}
        label="Remote agents"
        noun="agent"
        call={remotes}
        entries={remotes.data?.remotes.map((remote) => ({
          id: remote.remote,
          title: remote.remote,
          note: remote.url,
          state: stateOf(remote),
        }))}
        empty={
          <Empty title="No remote agent was added." icon={<Globe />}>
            One that speaks A2A has an address with a card, which says what it can do. It is offered when you have approved that card.
          </Empty>
        }
      >
        {(id) => <RemoteThing shown={remotes.data!.remotes.find(({ remote }) => remote === id)!} refresh={remotes.refresh} />}
      </Shelf>
      <RemoteForm isOpen={isAdding} onClose={() => setAdding(false)} onSaved={remotes.refresh} />
    </>
  )
}

function stateOf({ enabled, approved, changed }: Remote): Entry['state'] {
  if (!enabled) return ['off', 'neutral']
  if (changed) return ['changed', 'warn']
  return approved ? ['approved', 'good'] : ['waits for you', 'warn']
}

function whyOf({ enabled, approved, changed }: Remote): string {
  if (!enabled) return 'It is turned off, and is not offered.'
  if (changed) return 'Its card has changed since you approved it, so it is not offered.'
  return approved ? '' : 'Nobody has approved its card, so agents do not see it.'
}

function RemoteThing({ shown, refresh }: { readonly shown: Remote; readonly refresh: () => void }): ReactNode {
  const { remote, from, url, enabled, approved, changed, description, skills } = shown
  const { run, isBusy, failure } = useAction()
  const say = useSay()
  const isConfigured = from === 'config.toml'
  const turn = async (): Promise<void> => {
    if ((await run('remote.switch', { remote, enabled: !enabled })) === undefined) return
    say(enabled ? `${remote} is off; it is not offered.` : `${remote} is on.`)
    refresh()
  }
  return (
    <Thing
      title={remote}
      state={stateOf(shown)}
      why={whyOf(shown)}
      actions={
        <>
          <ReviewButton<Diff>
            label={approved && !changed ? 'See its card' : 'Review and approve'}
            isPrimary={!approved || changed}
            agreement={approveOffer(remote)}
            verb="Approve"
            look={(make) => make('remote.diff', { remote })}
            settled={({ state, problem }) =>
              problem !== '' ? `It cannot be approved: ${problem}.` : state === 'same' ? 'The card is as you have approved it.' : ''
            }
            agree={async ({ digest }, make) => {
              const done = await make('remote.approve', { remote, digest })
              return done && `Approved. Agents with the right ${done.call} can ask it.`
            }}
            onDone={refresh}
          >
            {({ approved: before, now }) => <TextDiff before={before === null ? '' : textOf(before)} after={textOf(now)} />}
          </ReviewButton>
          <Button size="s" icon={<Power />} isBusy={isBusy} onClick={() => void turn()}>
            {enabled ? 'Turn off' : 'Turn on'}
          </Button>
          <DeedButton
            deed={removeRemote(remote, isConfigured)}
            verb={isConfigured ? 'Take back the approval' : 'Remove'}
            act={(make) => make('remote.remove', { remote })}
            onDone={() => {
              if (!isConfigured) navigate(page)
              refresh()
            }}
          />
        </>
      }
    >
      <ProblemLine failure={failure} />
      <Facts
        facts={[
          ['Reached at', <code key="url">{url}</code>],
          ['Says of itself', description === '' ? 'nothing that you have approved' : exactText(description)],
          ['Can', <Codes key="skills" of={skills} none="–" />],
          ['Added', isConfigured ? 'in config.toml' : 'with oxbow remotes, or here'],
          [
            'Agents need the right',
            <>
              <code key="right">a2a.{remote}</code> (<Link to="/settings">agent.rights</Link>)
            </>,
          ],
        ]}
      />
    </Thing>
  )
}

const textOf = (card: Diff['now']): string => exactText(cardLines(card).join('\n'))

interface RemoteFormProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly onSaved: () => void
}

const empty = { name: '', url: '', headers: '', allow: '' }

function RemoteForm({ isOpen, onClose, onSaved }: RemoteFormProps): ReactNode {
  const { form, set, typed, clear } = useForm(empty)
  const { name, url, headers, allow } = form
  const say = useSay()
  return (
    <FormDialog
      title="Add a remote agent"
      verb="Add"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={otherName.test(name) && URL.canParse(url)}
      act={async (run) => {
        const hosts = linesOf(allow)
        const settings = { url, ...(headers.trim() !== '' && { headers: pairsOf(headers) }), ...(hosts.length > 0 && { allow: hosts }) }
        const added = await run('remote.add', { remote: name, settings })
        if (added === undefined) return undefined
        say(`Added ${name}. It is not offered yet: review its card, and approve it.`)
        onSaved()
        navigate(openAt(page, name))
        clear()
        return added
      }}
    >
      <OtherNameField right="a2a" {...typed('name')} />
      <TextField label="Address" type="url" placeholder="https://agents.example.com" {...typed('url')} />
      <LinesField
        label="Headers"
        hint="name=value, one a line; $NAME is the secret NAME."
        placeholder="authorization=Bearer $TRANSLATOR_TOKEN"
        value={headers}
        onChange={set('headers')}
      />
      <LinesField
        label="Other hosts"
        hint="One a line: where it is reached too, or its own host if that is private."
        value={allow}
        onChange={set('allow')}
      />
    </FormDialog>
  )
}
