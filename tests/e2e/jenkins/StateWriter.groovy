import groovy.transform.CompileStatic

/** Serializes what belongs to a pipeline; scripts and `env` are Jenkins' own to restore, and stand as a name. */
@CompileStatic
class StateWriter extends ObjectOutputStream {
    StateWriter(OutputStream out) {
        super(out)
        enableReplaceObject(true)
    }

    @Override
    protected Object replaceObject(Object object) {
        return object instanceof Script || object instanceof Environment ? object.class.name : object
    }
}
