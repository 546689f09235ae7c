/** One incident: what has happened, how far it is, and what the team says about it. */
import type { Issue, IssueEdits, IssuePriority, IssueStatus } from "@mayday/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { announce } from "../../ui/announce.js";
import { Icon } from "../../ui/icon.js";
import { PersonText } from "../../ui/text.js";
import { api } from "../account.js";
import { useAction } from "../kit/action.js";
import { AskFirst } from "../kit/ask-first.js";
import { Form, type Values } from "../kit/form.js";
import { fromHere } from "../kit/go-on.js";
import { useKeys } from "../kit/keys.js";
import { tellChange, useLoad } from "../kit/load.js";
import { EventName, UserName, useNames } from "../kit/names.js";
import { Fact, Page, ProblemLine, Shown, When } from "../kit/parts.js";
import { go } from "../router.js";
import { Comments } from "./comments.js";
import { IncidentFields } from "./fields.js";
import { left } from "./list.js";
import { isOpen, LinkedText, Priority, STATUSES, useRereading } from "./parts.js";
import { t } from "./texts.js";

export function IncidentScreen({ id, isEdited }: { id: number; isEdited: boolean }) {
  const issue = useLoad(`issues/${id}`, ["issues"], (signal) => api.issues.get(id, { signal }));
  const address = `/console/incidents/${id}`;
  left.row = `incident-${id}`;
  useRereading(issue.reload);
  const leave = () => go(isEdited ? address : left.address);
  useKeys({ escape: leave, ...(issue.data && !isEdited && { e: () => go(`${address}/edit`) }) });
  return (
    <Page
      title={issue.data ? <PersonText>{issue.data.name}</PersonText> : t("incidents.one", { n: id })}
      back={[t("area.incidents"), left.address]}
      actions={issue.data && !isEdited && <Actions issue={issue.data} />}
    >
      <Shown of={issue}>
        {(issue) => (isEdited ? <Edit issue={issue} address={address} /> : <Incident issue={issue} />)}
      </Shown>
    </Page>
  );
}

function Actions({ issue }: { issue: Issue }) {
  const remove = async () => {
    const goOn = fromHere();
    await api.issues.delete(issue.id);
    goOn(left.address, { replace: true });
    tellChange("issues");
  };
  return (
    <>
      <a class="button" href={`/console/incidents/${issue.id}/edit`} aria-keyshortcuts="E">
        {t("incidents.edit")}
        <kbd>E</kbd>
      </a>
      <AskFirst
        label={t("incidents.delete")}
        title={t("incidents.delete-title")}
        text={t("incidents.delete-text")}
        yes={t("incidents.delete-yes")}
        no={t("incidents.delete-no")}
        work={remove}
      />
    </>
  );
}

function Incident({ issue }: { issue: Issue }) {
  const names = useNames();
  const { id, description, priority, eventId, authorId, timeCreated, timeClosed } = issue;
  return (
    <>
      <State issue={issue} />
      <div class="incident-whole">
        <dl class="incident-facts">
          <Fact label={t("incidents.priority")}>
            <Priority of={priority} />
          </Fact>
          <Fact label={t("person.event")}>
            <a href={`/console/events/${eventId}`}>
              <EventName names={names} id={eventId} />
            </a>
          </Fact>
          <Fact label={t("incidents.author")}>
            <UserName names={names} id={authorId} />
          </Fact>
          <Fact label={t("incidents.created")}>
            <When at={timeCreated} />
          </Fact>
          {timeClosed && !isOpen(issue) && (
            <Fact label={t("incidents.closed")}>
              <When at={timeClosed} />
            </Fact>
          )}
        </dl>
        <p class="incident-text">
          <LinkedText>{description}</LinkedText>
        </p>
        <Comments issueId={id} names={names} />
      </div>
    </>
  );
}

/** The state, and with one key another. What was chosen is shown at once. */
function State({ issue }: { issue: Issue }) {
  const [chosen, setChosen] = useState<{ status: IssueStatus; issue: Issue }>();
  const { problem, run } = useAction();
  // What is read after the change says what holds.
  const shown = chosen?.issue === issue ? chosen.status : issue.status;
  // While one change is under way, the last of those that follow waits.
  const next = useRef<IssueStatus>(undefined);
  const choose = (status: IssueStatus) => {
    if (status === shown) return;
    setChosen({ status, issue });
    next.current = status;
    void run(async () => {
      try {
        while (next.current) {
          const status = next.current;
          next.current = undefined;
          await api.issues.edit(issue.id, { status });
          announce(t(STATUSES[status].text));
        }
      } catch (error) {
        next.current = undefined;
        setChosen(undefined);
        throw error;
      }
      tellChange("issues");
    });
  };
  const choices = Object.entries(STATUSES) as [IssueStatus, (typeof STATUSES)[IssueStatus]][];
  useKeys(Object.fromEntries(choices.map(([status], index) => [String(index + 1), () => choose(status)])));
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset cannot wrap its buttons */}
      <div class="incident-states" role="group" aria-label={t("incidents.state")}>
        {choices.map(([status, { icon, text }], index) => (
          <button
            key={status}
            type="button"
            aria-pressed={status === shown}
            aria-keyshortcuts={String(index + 1)}
            onClick={() => choose(status)}
          >
            <Icon name={icon} />
            {t(text)}
            <kbd>{index + 1}</kbd>
          </button>
        ))}
      </div>
      {problem && <ProblemLine text={problem} />}
    </>
  );
}

function Edit({ issue, address }: { issue: Issue; address: string }) {
  // What a colleague changes meanwhile must not change what is typed here.
  const [before] = useState(issue);
  const save = async (values: Values) => {
    const { name = "", description = "" } = values;
    const priority = values.priority as IssuePriority;
    const edits: IssueEdits = {
      ...(name !== before.name && { name }),
      ...(description !== before.description.replace(/\r\n?/g, "\n") && { description }),
      ...(priority !== before.priority && { priority }),
    };
    if (Object.keys(edits).length) {
      await api.issues.edit(issue.id, edits);
      tellChange("issues");
    }
    return address;
  };
  const leave = () => go(address, { replace: true });
  useEffect(() => document.getElementById("field-name")?.focus(), []);
  return (
    <Form draft={`incidents/${issue.id}`} submitLabel={t("incidents.save")} onSubmit={save} onCancel={leave}>
      <IncidentFields issue={before} />
    </Form>
  );
}
