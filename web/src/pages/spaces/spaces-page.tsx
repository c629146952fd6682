/** The spaces of the person: which there are, how big, what is shared. What is in another space is shown by nothing but its own page. */
import type { ReactNode } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import type { PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { SayingPage } from '../../shelf/said.tsx'
import { type Entry, Shelf } from '../../shelf/shelf.tsx'
import { Thing } from '../../shelf/thing.tsx'
import { bytesText, Facts, Time } from '../../ui/layout.tsx'
import { Empty } from '../../ui/states.tsx'

type Space = OutputOf<'machine.spaces'>['spaces'][number]

const listEveryMs = 15_000

export default function SpacesPage({ place }: PageProps): ReactNode {
  const spaces = useCall('machine.spaces', {}, { everyMs: listEveryMs })
  return (
    <SayingPage
      title="Spaces"
      intro="Each space has files, memory, sessions, secrets and schedules of its own. Of the others, this page shows names and sizes, and never what is in them."
    >
      <Shelf
        place={place}
        page="/spaces"
        label="Spaces"
        noun="space"
        call={spaces}
        entries={spaces.data?.spaces.map(entryOf)}
        empty={<Empty title="There are no spaces.">The first is made when Oxbow starts.</Empty>}
      >
        {(name) => <SpaceThing shown={spaces.data!.spaces.find(({ space }) => space === name)!} all={spaces.data!.spaces} />}
      </Shelf>
      <p className="soft">
        Another one: <code>oxbow space new NAME</code>. What goes from one to another is moved or shared in a terminal, by you alone:{' '}
        <code>oxbow help space</code>
      </p>
    </SayingPage>
  )
}

function stateOf({ archived, running }: Space): Entry['state'] {
  if (archived) return ['archived', 'neutral']
  return running ? ['running', 'good'] : ['stopped', 'neutral']
}

function entryOf(space: Space): Entry {
  const notes = [space.is_here ? 'this one' : '', space.in_use ? 'in use' : '', space.about]
  return { id: space.space, title: space.space, note: notes.filter((note) => note !== '').join(' · '), state: stateOf(space) }
}

const sizeText = (bytes: number | null): string => (bytes === null ? 'not added up: too many files' : bytesText(bytes))

function SpaceThing({ shown, all }: { readonly shown: Space; readonly all: readonly Space[] }): ReactNode {
  const { space, is_here: isHere, in_use: isUsed, archived, about, words, paths, created_at: made, shared } = shown
  const given = all.flatMap((one) => one.shared.filter(({ from }) => from === space).map((item) => ({ ...item, to: one.space })))
  return (
    <Thing title={space} state={stateOf(shown)} why={about}>
      <Facts
        facts={[
          ...(made === 0 ? [] : ([['Made', <Time key="made" at={made} />]] as const)),
          [
            'Files',
            <span key="files" data-volatile>
              {sizeText(shown.file_bytes)}
            </span>,
          ],
          [
            'Journal, memory, versions',
            <span key="store" data-volatile>
              {sizeText(shown.store_bytes)}
            </span>,
          ],
          ['Suggested by', [...words, ...paths].join(', ') || 'its name'],
          ['Sees of others', <Items key="sees" items={shared.map((item) => `${named(item)} of ${item.from}`)} />],
          ['Others see of it', <Items key="gives" items={given.map((item) => `${named(item)} in ${item.to}`)} />],
        ]}
      />
      {!isHere && (
        <p>
          In a terminal:{' '}
          <code>{archived ? `oxbow space restore ${space}` : isUsed ? `oxbow web --space ${space}` : `oxbow space use ${space}`}</code>
        </p>
      )}
    </Thing>
  )
}

/** A copy says more to nobody than where it is looked for. */
function named({ folder, copy, read_only: isRead }: Space['shared'][number]): string {
  return `${folder === '' ? copy : folder} (${isRead ? 'to be read' : 'to be changed, too'})`
}

function Items({ items }: { readonly items: readonly string[] }): ReactNode {
  if (items.length === 0) return <>nothing</>
  return (
    <ul>
      {items.map((item) => (
        <li key={item}>{item}</li>
      ))}
    </ul>
  )
}
