/** What a goal asks, answered by the person; or it goes on and decides what is open. */
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { useAction } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Select, Switch, TextField } from '../../ui/field.tsx'
import { ProblemLine } from '../../ui/states.tsx'
import './goals.css'

type Goal = OutputOf<'goal.show'>

interface GoalQuestionsProps {
  readonly goal: Goal
  readonly refresh: () => void
}

export function GoalQuestions({ goal: { id, phase, questions }, refresh }: GoalQuestionsProps): ReactNode {
  const [answers, setAnswers] = useState<Readonly<Record<number, string>>>({})
  const answering = useAction()
  const answer = async (said: readonly string[]): Promise<void> => {
    if ((await answering.run('goal.answer', { goal: id, answers: [...said] })) !== undefined) refresh()
  }
  if (phase === 'review')
    return (
      <div className="shelf-form">
        <p>Below is how it is checked. Work on it?</p>
        <div className="thing-actions">
          <Button size="s" variant="primary" isBusy={answering.isBusy} onClick={() => void answer(['yes'])}>
            Work on it
          </Button>
          <Button size="s" isBusy={answering.isBusy} onClick={() => void answer(['no'])}>
            No
          </Button>
        </div>
        <ProblemLine failure={answering.failure} />
      </div>
    )
  const said = questions.map((_, at) => answers[at] ?? '')
  return (
    <form
      className="shelf-form"
      onSubmit={(event) => {
        event.preventDefault()
        void answer(said)
      }}
    >
      {questions.map((question, at) => (
        <Answer
          key={question.text}
          question={question}
          value={said[at]!}
          onChange={(text) => setAnswers((now) => ({ ...now, [at]: text }))}
        />
      ))}
      <div className="thing-actions">
        <Button type="submit" size="s" variant="primary" isBusy={answering.isBusy} disabled={said.some((text) => text.trim() === '')}>
          Answer
        </Button>
        <Button size="s" isBusy={answering.isBusy} onClick={() => void answer([])}>
          Decide it yourself
        </Button>
      </div>
      <ProblemLine failure={answering.failure} />
    </form>
  )
}

interface AnswerProps {
  readonly question: Goal['questions'][number]
  readonly value: string
  readonly onChange: (text: string) => void
}

function Answer({ question: { type, text, choices }, value, onChange }: AnswerProps): ReactNode {
  if (type === 'multi') {
    const chosen = value.split(', ').filter((each) => each !== '')
    const toggle = (choice: string, isOn: boolean): void =>
      onChange(choices.filter((each) => (each === choice ? isOn : chosen.includes(each))).join(', '))
    return (
      <fieldset className="goal-choices">
        <legend>{text}</legend>
        {choices.map((choice) => (
          <Switch key={choice} label={choice} isOn={chosen.includes(choice)} onChange={(isOn) => toggle(choice, isOn)} />
        ))}
      </fieldset>
    )
  }
  if (type === 'text') return <TextField label={text} value={value} onChange={({ target }) => onChange(target.value)} />
  const options = [
    { value: '', label: 'Choose…' },
    ...(type === 'yes_no' ? ['yes', 'no'] : choices).map((each) => ({ value: each, label: each })),
  ]
  return <Select label={text} options={options} value={value} onChange={({ target }) => onChange(target.value)} />
}
